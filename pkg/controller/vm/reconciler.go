// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

// Reasons of the condition Failure, and of events, as in KubeVirt.
const (
	reasonFailedCreate = "FailedCreate"
	reasonFailedDelete = "FailedDelete"
	reasonNotOwned     = "InstanceNotOwned"
)

// errNotOwned says that a VirtualMachine's name is taken.
var errNotOwned = errors.New("exists and isn't this virtual machine's")

// Reconciler brings VirtualMachines and their instances together.
type Reconciler struct {
	Client client.Client // reads from caches
	Live   client.Reader // reads from the API server
	Events events.EventRecorder
}

// workers is how many machines are looked at at a time: they wait for the API server most of the time.
const workers = 16

// Setup adds the reconciler to a manager.
func Setup(mgr ctrl.Manager) error {
	r := &Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder("tapir-controller")}
	err := ctrl.NewControllerManagedBy(mgr).
		For(&kubevirt.VirtualMachine{}).
		// By name, not by owner: one that is in the way matters, too.
		Watches(&kubevirt.VirtualMachineInstance{}, &handler.EnqueueRequestForObject{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the controller of virtual machines: %w", err)
	}
	return nil
}

// Reconcile looks at one machine, and does what is next.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	vm := new(kubevirt.VirtualMachine)
	if err := r.Client.Get(ctx, request.NamespacedName, vm); err != nil || vm.Spec.Template == nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	strategy, err := vm.RunStrategy()
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("virtual machine %s: %w", request, err)
	}
	vmi, err := r.instance(ctx, vm)
	if errors.Is(err, errNotOwned) {
		return ctrl.Result{}, quiet(r.fail(ctx, vm, vm, reasonNotOwned, err))
	}
	if err != nil {
		return ctrl.Result{}, quiet(err)
	}
	vm, err = r.hold(ctx, vm)
	if err != nil {
		return ctrl.Result{}, quiet(err)
	}
	next := vm.DeepCopy()
	act, wait := decide(next, vmi, strategy, metav1.Now())
	if act == start && wait == 0 {
		// Once the instance is there, the same decision finds all that it needs in it: the status is written then.
		return ctrl.Result{}, quiet(r.start(ctx, vm, next))
	}
	if err := r.write(ctx, vm, next); err != nil {
		return ctrl.Result{}, quiet(err)
	}
	r.tell(vm, next)
	if act == nothing {
		return ctrl.Result{RequeueAfter: wait}, quiet(r.syncLinks(ctx, next, vmi))
	}
	return ctrl.Result{RequeueAfter: wait}, quiet(r.do(ctx, next, vmi, act))
}

// do carries out what was decided, but for a start.
func (r *Reconciler) do(ctx context.Context, vm *kubevirt.VirtualMachine, vmi *kubevirt.VirtualMachineInstance, act action) error {
	switch act {
	case stop:
		return r.stop(ctx, vm, vmi)
	case turnAlways:
		old := vm.DeepCopy()
		if vm.Spec.Running != nil {
			vm.Spec.Running = ptr.To(true)
		} else {
			vm.Spec.RunStrategy = ptr.To(kubevirt.RunStrategyAlways)
		}
		return r.patch(ctx, old, vm, "start")
	case release:
		old := vm.DeepCopy()
		controllerutil.RemoveFinalizer(vm, kubevirt.VirtualMachineControllerFinalizer)
		return r.patch(ctx, old, vm, "release")
	}
	return nil
}

// start makes the instance of next, which is vm with the status that it should have. The cache of VirtualMachines may be behind
// that of instances: when the instance has gone, the request that it answered may still be in the former, and would be
// answered again. So what was decided on must be what the API server has; where it isn't, the event of what it has comes.
func (r *Reconciler) start(ctx context.Context, vm, next *kubevirt.VirtualMachine) error {
	live := new(kubevirt.VirtualMachine)
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(vm), live); err != nil {
		return fmt.Errorf("look for virtual machine %s/%s before its start: %w", vm.Namespace, vm.Name, err)
	}
	if live.ResourceVersion != vm.ResourceVersion {
		return nil
	}
	vmi := instance(next)
	err := r.Client.Create(ctx, vmi)
	switch {
	case apierrors.IsAlreadyExists(err): // and not in the cache yet: its event brings us back
		return nil
	case err != nil:
		return r.fail(ctx, vm, next, reasonFailedCreate, fmt.Errorf("create virtual machine instance %s/%s: %w", vm.Namespace, vm.Name, err))
	}
	r.Events.Eventf(vm, vmi, corev1.EventTypeNormal, "SuccessfulCreate", "Start", "Started the virtual machine by creating the virtual machine instance %s", vmi.Name)
	return nil
}

func (r *Reconciler) stop(ctx context.Context, vm *kubevirt.VirtualMachine, vmi *kubevirt.VirtualMachineInstance) error {
	if err := r.Client.Delete(ctx, vmi, client.Preconditions{UID: &vmi.UID}); apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	} else if err != nil {
		return r.fail(ctx, vm, vm, reasonFailedDelete, fmt.Errorf("delete virtual machine instance %s/%s: %w", vmi.Namespace, vmi.Name, err))
	}
	r.Events.Eventf(vm, vmi, corev1.EventTypeNormal, "SuccessfulDelete", "Stop", "Stopped the virtual machine by deleting the virtual machine instance %s", vmi.Name)
	return nil
}

// instance returns the instance of a VirtualMachine, nil when there is none. One that has lost its owner, as that of a
// VirtualMachine that was deleted without it, is adopted; one that is somebody else's is an error.
func (r *Reconciler) instance(ctx context.Context, vm *kubevirt.VirtualMachine) (*kubevirt.VirtualMachineInstance, error) {
	vmi := new(kubevirt.VirtualMachineInstance)
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(vm), vmi); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("look for virtual machine instance %s/%s: %w", vm.Namespace, vm.Name, err)
	}
	_, made := vmi.Annotations[templateAnnotation] // of a VirtualMachine's template, so that it had an owner
	orphan := made && metav1.GetControllerOf(vmi) == nil && vmi.DeletionTimestamp == nil
	switch {
	case metav1.IsControlledBy(vmi, vm):
		return vmi, nil
	case vm.DeletionTimestamp != nil:
		return nil, nil // it goes, whoever has the name
	case !orphan:
		return nil, fmt.Errorf("virtual machine instance %s/%s %w: delete it, or give this another name", vm.Namespace, vm.Name, errNotOwned)
	}
	adopted := vmi.DeepCopy()
	adopted.OwnerReferences = append(adopted.OwnerReferences, *metav1.NewControllerRef(vm, kubevirt.VirtualMachineGroupVersionKind))
	if err := r.Client.Patch(ctx, adopted, client.MergeFromWithOptions(vmi, client.MergeFromWithOptimisticLock{})); err != nil {
		return nil, fmt.Errorf("adopt virtual machine instance %s/%s: %w", vm.Namespace, vm.Name, err)
	}
	return adopted, nil
}

// hold sees to it that a VirtualMachine isn't gone before its instance is.
func (r *Reconciler) hold(ctx context.Context, vm *kubevirt.VirtualMachine) (*kubevirt.VirtualMachine, error) {
	held := vm.DeepCopy()
	if vm.DeletionTimestamp != nil || !controllerutil.AddFinalizer(held, kubevirt.VirtualMachineControllerFinalizer) {
		return vm, nil
	}
	return held, r.patch(ctx, vm, held, "hold")
}

// fail writes the status of next, and why there is no instance, or still one. Returns the cause for another try.
func (r *Reconciler) fail(ctx context.Context, vm, next *kubevirt.VirtualMachine, reason string, cause error) error {
	if apierrors.IsConflict(cause) {
		return cause
	}
	next = next.DeepCopy()
	setCondition(next, kubevirt.VirtualMachineFailure, corev1.ConditionTrue, reason, cause.Error(), metav1.Now())
	if err := r.write(ctx, vm, next); err != nil {
		return err
	}
	r.tell(vm, next)
	return cause
}

// tell makes an event of what a user must know: a failure of ours, or one of the machine to start.
func (r *Reconciler) tell(old, next *kubevirt.VirtualMachine) {
	if c := condition(next, kubevirt.VirtualMachineFailure); c != nil {
		if before := condition(old, c.Type); before == nil || before.Reason != c.Reason {
			r.Events.Eventf(next, nil, corev1.EventTypeWarning, c.Reason, "Reconcile", "%s", c.Message)
		}
	}
	if f := next.Status.StartFailure; f != nil && (old.Status.StartFailure == nil || old.Status.StartFailure.LastFailedVMIUID != f.LastFailedVMIUID) {
		r.Events.Eventf(next, nil, corev1.EventTypeWarning, "BackOff", "Start", "The virtual machine has failed to start %d times in a row: the next try is at %s",
			f.ConsecutiveFailCount, f.RetryAfterTimestamp.UTC().Format("15:04:05 MST"))
	}
}

// write writes the status where it has changed.
func (r *Reconciler) write(ctx context.Context, old, next *kubevirt.VirtualMachine) error {
	if equality.Semantic.DeepEqual(old.Status, next.Status) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, next, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write status of virtual machine %s/%s: %w", old.Namespace, old.Name, err)
	}
	return nil
}

func (r *Reconciler) patch(ctx context.Context, old, next *kubevirt.VirtualMachine, verb string) error {
	if err := r.Client.Patch(ctx, next, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("%s virtual machine %s/%s: %w", verb, old.Namespace, old.Name, err)
	}
	return nil
}

// quiet drops what nothing is to be done about until an event comes: a conflict, for what was seen was out of date, and
// another's instance.
func quiet(err error) error {
	if apierrors.IsConflict(err) || errors.Is(err, errNotOwned) {
		return nil
	}
	return client.IgnoreNotFound(err)
}
