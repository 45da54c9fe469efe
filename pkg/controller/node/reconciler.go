// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/controller/status"
)

const (
	// launcherPatience is between two looks for a launcher whose container runs but that doesn't listen yet.
	launcherPatience = 50 * time.Millisecond
	// lostPatience is before another look for a launcher that has stopped to talk: mostly it has ended, and the pod will tell.
	lostPatience = time.Second
)

// errLost says that the connection to a launcher has ended.
var errLost = errors.New("the launcher doesn't talk any more")

// Reasons of events and conditions.
const (
	ReasonStarted    = "Started"    // the guest runs
	ReasonStopped    = "Stopped"    // it has ended as somebody wanted
	ReasonFailed     = "Failed"     // it has ended otherwise
	ReasonSyncFailed = "SyncFailed" // the machine can't be joined to its pod's network

	ReasonIOError = "PausedIOError" // QEMU has paused it
)

// Reconciler sees to the machines of one node.
type Reconciler struct {
	Options
	client   client.Client
	recorder events.EventRecorder
	life     context.Context           // ends with the agent; a reconciliation's own may end before what it has begun
	changed  chan<- event.GenericEvent // machines whose launchers have news

	changing sync.Mutex // datapaths, one machine's at a time: it takes a processor or two, and memory

	mu       sync.Mutex
	machines map[types.NamespacedName]*machine // those that are connected
}

// Reconcile sees to one machine.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	vmi, launcher, err := r.find(ctx, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	if launcher == nil {
		return ctrl.Result{}, r.forget(request.NamespacedName)
	}
	m, err := r.connected(ctx, vmi, launcher)
	if errors.Is(err, fs.ErrNotExist) {
		return ctrl.Result{RequeueAfter: launcherPatience}, nil // it starts, or has just ended: the pod will tell
	}
	if errors.Is(err, errLost) {
		return ctrl.Result{RequeueAfter: lostPatience}, nil
	}
	if err != nil {
		return ctrl.Result{}, errors.Join(err, r.complain(ctx, vmi, err))
	}
	if m.status().State == "" {
		return ctrl.Result{}, nil // its first word causes another look; until then an adopted machine's status is the better one
	}
	if err := syncLinks(ctx, vmi, m); err != nil {
		return ctrl.Result{}, errors.Join(err, r.complain(ctx, vmi, err))
	}
	next := vmi.DeepCopy()
	report(next, launcher, m, metav1.Now())
	if err := status.Patch(ctx, r.client, vmi, next); apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{}, nil // somebody knows more: what that is will be seen, and cause another look
	} else if err != nil {
		return ctrl.Result{}, err
	}
	r.tell(vmi, next)
	if next.IsFinal() {
		return ctrl.Result{}, r.forget(request.NamespacedName)
	}
	return ctrl.Result{}, nil
}

// find returns a machine and its launcher's pod; no pod when the machine isn't the agent's, not yet or no longer.
func (r *Reconciler) find(ctx context.Context, key types.NamespacedName) (*kubevirt.VirtualMachineInstance, *corev1.Pod, error) {
	vmi := new(kubevirt.VirtualMachineInstance)
	if err := r.client.Get(ctx, key, vmi); err != nil {
		return nil, nil, client.IgnoreNotFound(err)
	}
	if vmi.Status.NodeName != r.Node || vmi.IsFinal() {
		return vmi, nil, nil
	}
	launcher := new(corev1.Pod)
	if err := r.client.Get(ctx, types.NamespacedName{Namespace: vmi.Namespace, Name: pod.Name(vmi)}, launcher); err != nil {
		return vmi, nil, client.IgnoreNotFound(err)
	}
	ended := launcher.Status.Phase == corev1.PodSucceeded || launcher.Status.Phase == corev1.PodFailed
	if ended || launcher.Labels[kubevirt.CreatedByLabel] != string(vmi.UID) {
		return vmi, nil, nil
	}
	return vmi, launcher, nil
}

// connected returns the machine's connection, made anew where there is none to this pod.
func (r *Reconciler) connected(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod) (*machine, error) {
	key := client.ObjectKeyFromObject(vmi)
	r.mu.Lock()
	m := r.machines[key]
	r.mu.Unlock()
	switch {
	case m == nil:
	case m.pod != launcher.UID:
		if err := r.forget(key); err != nil {
			return nil, err
		}
		m = nil
	case !m.lost():
		return m, nil
	case !m.missed:
		m.missed = true
		return nil, errLost
	}
	// A lost one stays listed until there is another: its namespace is needed to detach it when the launcher has ended for good.
	lost := m
	m, err := r.connect(ctx, vmi, launcher)
	if err != nil {
		return nil, fmt.Errorf("join machine %s to its pod's network: %w", key, err)
	}
	if lost != nil {
		lost.close()
	}
	r.mu.Lock()
	r.machines[key] = m
	r.mu.Unlock()
	m.watch(r.life, func(ctx context.Context) {
		select {
		case r.changed <- event.GenericEvent{Object: &kubevirt.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}}:
		case <-ctx.Done():
		}
	})
	return m, nil
}

// drop takes a machine off the list.
func (r *Reconciler) drop(key types.NamespacedName) *machine {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.machines[key]
	delete(r.machines, key)
	return m
}

// forget detaches a machine that is the agent's no longer. One that isn't connected has nothing but pins, if anything: they are swept.
func (r *Reconciler) forget(key types.NamespacedName) error {
	m := r.drop(key)
	if m == nil {
		return nil
	}
	defer m.close()
	r.Log.Info("machine is detached", "vmi", key)
	r.changing.Lock()
	defer r.changing.Unlock()
	return m.detach()
}

// complain tells the user why the machine isn't joined.
func (r *Reconciler) complain(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, problem error) error {
	next := vmi.DeepCopy()
	if !status.SetCondition(next, kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, ReasonSyncFailed, problem.Error(), metav1.Now()) {
		return nil
	}
	if err := status.Patch(ctx, r.client, vmi, next); apierrors.IsConflict(err) {
		return nil
	} else if err != nil {
		return err
	}
	// Of the version just written, so no Event repeats another: the agent need not have the right to change any.
	r.recorder.Eventf(next, nil, corev1.EventTypeWarning, ReasonSyncFailed, "Attach", "%.1000s", problem)
	return nil
}

// tell makes an event of what a user must know.
func (r *Reconciler) tell(old, next *kubevirt.VirtualMachineInstance) {
	if c := paused(next); c != nil && c.Reason == ReasonIOError && (paused(old) == nil || paused(old).Reason != c.Reason) {
		r.recorder.Eventf(next, nil, corev1.EventTypeWarning, c.Reason, "Pause", "%s", c.Message)
	}
	if old.Status.Phase == next.Status.Phase {
		return
	}
	switch next.Status.Phase {
	case kubevirt.Running:
		r.recorder.Eventf(next, nil, corev1.EventTypeNormal, ReasonStarted, "Start", "the guest runs")
	case kubevirt.Succeeded:
		r.recorder.Eventf(next, nil, corev1.EventTypeNormal, ReasonStopped, "Stop", "the guest has shut down")
	case kubevirt.Failed:
		r.recorder.Eventf(next, nil, corev1.EventTypeWarning, ReasonFailed, "Stop", "%s",
			status.Condition(next, kubevirt.VirtualMachineInstanceReady).Message)
	}
}

func paused(vmi *kubevirt.VirtualMachineInstance) *kubevirt.VirtualMachineInstanceCondition {
	return status.Condition(vmi, kubevirt.VirtualMachineInstancePaused)
}
