// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
)

// observed is what there is around a machine.
type observed struct {
	pod       *corev1.Pod // nil when there is none, and the API server says so
	claims    []claim     // in the order of the volumes
	lost      string      // what has become of the machine's node; "" when it is heard of
	unmounted string      // why the kubelet can't mount a volume of the pod; "" when it can
}

// claim is a PersistentVolumeClaim that a machine uses; claim.object is nil when there is none.
type claim struct {
	name   string
	object *corev1.PersistentVolumeClaim
}

// modes are those of the claims that are there, by name.
func (o *observed) modes() map[string]corev1.PersistentVolumeMode {
	modes := map[string]corev1.PersistentVolumeMode{}
	for _, c := range o.claims {
		if c.object != nil && c.object.Spec.VolumeMode != nil {
			modes[c.name] = *c.object.Spec.VolumeMode
		}
	}
	return modes
}

// observe looks at what is around a machine.
func (r *Reconciler) observe(ctx context.Context, vmi *kubevirt.VirtualMachineInstance) (*observed, error) {
	o := &observed{}
	var err error
	if o.pod, err = r.launcher(ctx, vmi); err != nil {
		return nil, err
	}
	switch {
	case vmi.IsFinal():
	case vmi.Status.NodeName != "":
		err = r.node(ctx, vmi.Status.NodeName, o)
	default:
		if err = r.claims(ctx, vmi, o); err == nil && o.pod != nil {
			o.unmounted, err = r.unmounted(ctx, o.pod)
		}
	}
	return o, err
}

// launcher returns the machine's pod, nil when it has none. The cache may not know yet what is there, so that a pod is
// missing that should be there is believed to the API server only.
func (r *Reconciler) launcher(ctx context.Context, vmi *kubevirt.VirtualMachineInstance) (*corev1.Pod, error) {
	launcher := new(corev1.Pod)
	key := types.NamespacedName{Namespace: vmi.Namespace, Name: pod.Name(vmi)}
	err := r.Client.Get(ctx, key, launcher)
	hadPod := vmi.Status.Phase != kubevirt.VmPhaseUnset && vmi.Status.Phase != kubevirt.Pending || vmi.DeletionTimestamp != nil
	if apierrors.IsNotFound(err) && hadPod {
		err = r.Live.Get(ctx, key, launcher)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for pod %s: %w", key, err)
	}
	return launcher, own(vmi, launcher)
}

// own says whether a pod of the right name is the machine's indeed.
func own(vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod) error {
	if launcher.Labels[kubevirt.CreatedByLabel] != string(vmi.UID) {
		return fmt.Errorf("pod %s/%s is in the way, it isn't this machine's: delete it", launcher.Namespace, launcher.Name)
	}
	return nil
}

func (r *Reconciler) claims(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, o *observed) error {
	for _, name := range claimNames(vmi) {
		object := new(corev1.PersistentVolumeClaim)
		key := types.NamespacedName{Namespace: vmi.Namespace, Name: name}
		if err := r.Client.Get(ctx, key, object); apierrors.IsNotFound(err) {
			object = nil
		} else if err != nil {
			return fmt.Errorf("look for persistent volume claim %s: %w", key, err)
		}
		o.claims = append(o.claims, claim{name, object})
	}
	return nil
}

func (r *Reconciler) node(ctx context.Context, name string, o *observed) error {
	node := new(corev1.Node)
	if err := r.Client.Get(ctx, types.NamespacedName{Name: name}, node); apierrors.IsNotFound(err) {
		o.lost = fmt.Sprintf("node %s is gone", name)
		return nil
	} else if err != nil {
		return fmt.Errorf("look for node %s: %w", name, err)
	}
	if ready := nodeReady(node); unheard(node) {
		o.lost = fmt.Sprintf("node %s has not been heard of since %s", name, ready.LastTransitionTime.UTC().Format(time.RFC3339))
	}
	return nil
}

// unmounted returns what the kubelet has said last about volumes that it can't mount, which no field of a pod tells.
func (r *Reconciler) unmounted(ctx context.Context, launcher *corev1.Pod) (string, error) {
	var failures corev1.EventList
	if err := r.Client.List(ctx, &failures, client.InNamespace(launcher.Namespace), client.MatchingFields{eventIndex: string(launcher.UID)}); err != nil {
		return "", fmt.Errorf("look for events of pod %s/%s: %w", launcher.Namespace, launcher.Name, err)
	}
	var last *corev1.Event
	for i := range failures.Items {
		if e := &failures.Items[i]; last == nil || last.LastTimestamp.Before(&e.LastTimestamp) {
			last = e
		}
	}
	if last == nil {
		return "", nil
	}
	return last.Message, nil
}
