// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/controller/status"
)

// Reconciler brings VirtualMachineInstances and their launcher pods together.
type Reconciler struct {
	Client   client.Client // reads from caches
	Live     client.Reader // reads from the API server
	Events   events.EventRecorder
	Settings pod.Settings
}

// Reconcile looks at one machine, and does what is next.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	vmi := new(kubevirt.VirtualMachineInstance)
	if err := r.Client.Get(ctx, request.NamespacedName, vmi); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	seen, err := r.observe(ctx, vmi)
	if err != nil {
		return ctrl.Result{}, err
	}
	next := vmi.DeepCopy()
	act := decide(next, seen, metav1.Now())
	if act == createPod && controllerutil.ContainsFinalizer(vmi, kubevirt.VirtualMachineInstanceFinalizer) {
		// The pod's event brings us back to write the status: once for both.
		return ctrl.Result{}, quiet(r.create(ctx, vmi, next, seen))
	}
	if err := status.Patch(ctx, r.Client, vmi, next); err != nil {
		return ctrl.Result{}, quiet(err)
	}
	r.tell(vmi, next)
	if err := r.do(ctx, next, seen, act); err != nil {
		return ctrl.Result{}, quiet(err)
	}
	if act == lookAgain {
		return ctrl.Result{RequeueAfter: endMargin}, nil
	}
	return ctrl.Result{}, nil
}

// do carries out what was decided.
func (r *Reconciler) do(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, seen *observed, act action) error {
	switch act {
	case createPod:
		return r.create(ctx, vmi, vmi.DeepCopy(), seen)
	case deletePod:
		return r.delete(ctx, vmi, seen.pod)
	case release:
		return r.release(ctx, vmi)
	}
	if seen.pod == nil {
		return nil
	}
	if err := r.adopt(ctx, vmi, seen.pod); err != nil {
		return err
	}
	if err := r.protect(ctx, vmi); err != nil {
		return err
	}
	return r.openGate(ctx, vmi, seen.pod)
}

// create makes the pod. What the API server says against it goes into a condition of next, which is vmi with the status that it
// should have, and is tried again.
func (r *Reconciler) create(ctx context.Context, vmi, next *kubevirt.VirtualMachineInstance, seen *observed) error {
	launcher, err := pod.Render(vmi, seen.modes(), r.Settings)
	if err == nil {
		err = r.Client.Create(ctx, launcher)
	}
	if err == nil {
		r.Events.Eventf(vmi, launcher, corev1.EventTypeNormal, "SuccessfulCreate", "CreatePod", "Created virtual machine pod %s", launcher.Name)
		return nil
	}
	if apierrors.IsAlreadyExists(err) {
		if err = r.Live.Get(ctx, client.ObjectKeyFromObject(launcher), launcher); err == nil {
			err = own(vmi, launcher)
		}
		if err == nil {
			return nil // not in the cache yet: its event brings us back
		}
	}
	notReady(next, ReasonFailedCreate, fmt.Sprintf("create pod: %v", err), metav1.Now())
	if err := status.Patch(ctx, r.Client, vmi, next); err != nil {
		return err
	}
	r.tell(vmi, next)
	if notAllowed := new(pod.NotAllowedError); errors.As(err, &notAllowed) {
		return nil // until there are other settings, with which everything is looked at anew
	}
	return fmt.Errorf("create pod of %s/%s: %w", vmi.Namespace, vmi.Name, err)
}

// delete asks for the end of the pod, if nobody has yet. The launcher then presses the guest's power button.
func (r *Reconciler) delete(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod) error {
	if launcher.DeletionTimestamp != nil {
		return nil
	}
	err := r.Client.Delete(ctx, launcher, client.Preconditions{UID: &launcher.UID})
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	r.Events.Eventf(vmi, launcher, corev1.EventTypeNormal, "SuccessfulDelete", "DeletePod", "Deleted virtual machine pod %s", launcher.Name)
	return nil
}

// release lets a machine go that is to be deleted and has no pod any more.
func (r *Reconciler) release(ctx context.Context, vmi *kubevirt.VirtualMachineInstance) error {
	old := vmi.DeepCopy()
	if !controllerutil.RemoveFinalizer(vmi, kubevirt.VirtualMachineInstanceFinalizer) {
		return nil
	}
	return client.IgnoreNotFound(status.Patch(ctx, r.Client, old, vmi))
}

// adopt makes a pod the machine's own again whose owner was taken away.
func (r *Reconciler) adopt(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod) error {
	if metav1.GetControllerOfNoCopy(launcher) != nil || launcher.DeletionTimestamp != nil {
		return nil
	}
	adopted := launcher.DeepCopy()
	adopted.OwnerReferences = append(adopted.OwnerReferences, pod.Owner(vmi))
	if err := r.Client.Patch(ctx, adopted, client.MergeFromWithOptions(launcher, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("adopt pod %s/%s: %w", launcher.Namespace, launcher.Name, err)
	}
	return nil
}

// quiet drops a conflict: what was seen was out of date, and the event that says so is on its way.
func quiet(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}
