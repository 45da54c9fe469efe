// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/pkg/controller/status"
)

type vmT = kubevirt.VirtualMachine

// newVM makes a VirtualMachine with a strategy.
func newVM(t testing.TB, c *cluster, strategy kubevirt.VirtualMachineRunStrategy) *vmT {
	namespace := c.space(t)
	template := machine(namespace, "demo")
	vm := &vmT{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "demo"}}
	vm.Spec.RunStrategy = &strategy
	vm.Spec.Template = &kubevirt.VirtualMachineInstanceTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"example.com/a": "b"}},
		Spec:       template.Spec,
	}
	return create(t, c, vm)
}

// instanceOf waits for a VirtualMachine's instance, another than the one that has the given UID.
func instanceOf(t testing.TB, c *cluster, vm *vmT, other types.UID) *vmiT {
	t.Helper()
	vmi := kubevirt.NewVMIReferenceFromNameWithNS(vm.Namespace, vm.Name)
	return until(t, c, vmi, "a new instance", func(vmi *vmiT) bool { return vmi.UID != other && vmi.DeletionTimestamp == nil })
}

func shows(s kubevirt.VirtualMachinePrintableStatus) func(*vmT) bool {
	return func(vm *vmT) bool { return vm.Status.PrintableStatus == s }
}

// shutDown does the guest's, the kubelet's and the agent's part when the guest shuts down, or breaks.
func shutDown(t testing.TB, c *cluster, vmi *vmiT, exitCode int32) {
	t.Helper()
	p := launcher(t, c, vmi)
	end(t, c, p, exitCode, "")
	// A pod that is gone before the controller has seen how it ended is taken for a failure.
	until(t, c, vmi, "its end", (*vmiT).IsFinal)
	remove(t, c, p)
}

// stopped does the kubelet's part when an instance is to be stopped.
func stopped(t testing.TB, c *cluster, vmi *vmiT) {
	t.Helper()
	p := launcher(t, c, vmi)
	until(t, c, p, "deletion", func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
	end(t, c, p, 0, "")
	remove(t, c, p)
}

func request(t testing.TB, c *cluster, vm *vmT, requests ...kubevirt.VirtualMachineStateChangeRequest) {
	t.Helper()
	changeStatus(t, c, vm, func(vm *vmT) { vm.Status.StateChangeRequests = requests })
}

func startRequest() kubevirt.VirtualMachineStateChangeRequest {
	return kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StartRequest}
}

func stopRequest(vmi *vmiT) kubevirt.VirtualMachineStateChangeRequest {
	return kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StopRequest, UID: &vmi.UID}
}

// testAlways: a VirtualMachine that always runs comes back after its guest's shutdown, is stopped and started by its strategy, and goes.
func testAlways(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyAlways)
	vmi := instanceOf(t, c, vm, "")
	if vmi.Labels["app"] != "web" || vmi.Annotations["example.com/a"] != "b" || !metav1.IsControlledBy(vmi, vm) {
		t.Errorf("instance has labels %v, annotations %v, owners %v", vmi.Labels, vmi.Annotations, vmi.OwnerReferences)
	}
	until(t, c, vm, "Starting, created", func(vm *vmT) bool { return shows(kubevirt.VirtualMachineStatusStarting)(vm) && vm.Status.Created })
	untilEvent(t, c, vm, "SuccessfulCreate", "demo")
	runGuest(t, c, vmi)
	until(t, c, vm, "Running, ready", func(vm *vmT) bool { return shows(kubevirt.VirtualMachineStatusRunning)(vm) && vm.Status.Ready })
	shutDown(t, c, vmi, 0)

	again := instanceOf(t, c, vm, vmi.UID)
	runGuest(t, c, again)
	change(t, c, vm, func(vm *vmT) { vm.Spec.RunStrategy = ptr.To(kubevirt.RunStrategyHalted) })
	until(t, c, vm, "Stopping", shows(kubevirt.VirtualMachineStatusStopping))
	stopped(t, c, again)
	until(t, c, vm, "Stopped, not created, not ready", func(vm *vmT) bool {
		return shows(kubevirt.VirtualMachineStatusStopped)(vm) && !vm.Status.Created && !vm.Status.Ready
	})

	change(t, c, vm, func(vm *vmT) { vm.Spec.RunStrategy = ptr.To(kubevirt.RunStrategyAlways) })
	last := instanceOf(t, c, vm, again.UID)
	runGuest(t, c, last)
	if err := c.Delete(context.Background(), vm); err != nil {
		t.Fatal(err)
	}
	until(t, c, vm, "Terminating", shows(kubevirt.VirtualMachineStatusTerminating))
	stopped(t, c, last)
	untilGone(t, c, vm)
	untilGone(t, c, last)
}

// testBackOff: a VirtualMachine whose instances end before they have run waits, and says until when.
func testBackOff(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyAlways)
	vmi := instanceOf(t, c, vm, "")
	shutDown(t, c, vmi, 1)
	until(t, c, vm, "CrashLoopBackOff after 1 failure, for 10 to 15 s", func(vm *vmT) bool {
		f := vm.Status.StartFailure
		return shows(kubevirt.VirtualMachineStatusCrashLoopBackOff)(vm) && f != nil && f.ConsecutiveFailCount == 1 && f.LastFailedVMIUID == vmi.UID
	})
	untilEvent(t, c, vm, "BackOff", "1 times")
	untilGone(t, c, vmi)
	// As if the time were over.
	changeStatus(t, c, vm, func(vm *vmT) { vm.Status.StartFailure.RetryAfterTimestamp = ptr.To(metav1.Now()) })
	again := instanceOf(t, c, vm, vmi.UID)
	runGuest(t, c, again)
	until(t, c, vm, "Running, failures forgotten", func(vm *vmT) bool {
		return shows(kubevirt.VirtualMachineStatusRunning)(vm) && vm.Status.StartFailure == nil
	})
}

// testManual: requests start, restart and stop; what the guest does is left alone.
func testManual(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyManual)
	until(t, c, vm, "Stopped", shows(kubevirt.VirtualMachineStatusStopped))
	request(t, c, vm, startRequest())
	first := instanceOf(t, c, vm, "")
	runGuest(t, c, first)

	request(t, c, vm, stopRequest(first), startRequest())
	stopped(t, c, first)
	second := instanceOf(t, c, vm, first.UID)
	runGuest(t, c, second)
	until(t, c, vm, "no requests left", func(vm *vmT) bool { return len(vm.Status.StateChangeRequests) == 0 })

	shutDown(t, c, second, 0)
	until(t, c, second, "phase Succeeded", inPhase(kubevirt.Succeeded))
	until(t, c, vm, "Stopped, its last instance kept", func(vm *vmT) bool { return shows(kubevirt.VirtualMachineStatusStopped)(vm) && vm.Status.Created })

	request(t, c, vm, startRequest())
	third := instanceOf(t, c, vm, second.UID)
	runGuest(t, c, third)
	request(t, c, vm, stopRequest(third))
	stopped(t, c, third)
	until(t, c, vm, "Stopped for good", func(vm *vmT) bool {
		return shows(kubevirt.VirtualMachineStatusStopped)(vm) && !vm.Status.Created && len(vm.Status.StateChangeRequests) == 0
	})
}

// testRerunOnFailure: a guest that breaks comes back, one that shuts down doesn't.
func testRerunOnFailure(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyRerunOnFailure)
	first := instanceOf(t, c, vm, "")
	runGuest(t, c, first)
	shutDown(t, c, first, 1)
	second := instanceOf(t, c, vm, first.UID)
	runGuest(t, c, second)
	shutDown(t, c, second, 0)
	untilGone(t, c, second)
	until(t, c, vm, "Stopped, with no request", func(vm *vmT) bool {
		return shows(kubevirt.VirtualMachineStatusStopped)(vm) && len(vm.Status.StateChangeRequests) == 0
	})
}

// testPausedStart: a halted VirtualMachine that is to be started paused becomes one that always runs.
func testPausedStart(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyHalted)
	until(t, c, vm, "Stopped", shows(kubevirt.VirtualMachineStatusStopped))
	request(t, c, vm, kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StartRequest,
		Data: map[string]string{kubevirt.StartRequestDataPausedKey: kubevirt.StartRequestDataPausedTrue}})
	vmi := instanceOf(t, c, vm, "")
	if ptr.Deref(vmi.Spec.StartStrategy, "") != kubevirt.StartStrategyPaused {
		t.Errorf("start strategy %v, want Paused", vmi.Spec.StartStrategy)
	}
	until(t, c, vm, "strategy Always", func(vm *vmT) bool { return *vm.Spec.RunStrategy == kubevirt.RunStrategyAlways })
	runGuest(t, c, vmi)
	change(t, c, vmi, func(vmi *vmiT) {
		status.SetCondition(vmi, kubevirt.VirtualMachineInstancePaused, corev1.ConditionTrue, "PausedByUser", "", metav1.Now())
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceIsMigratable, corev1.ConditionFalse, "NotMigratable", "", metav1.Now())
	})
	until(t, c, vm, "Paused, and the instance's conditions", func(vm *vmT) bool {
		conditions := map[kubevirt.VirtualMachineConditionType]kubevirt.VirtualMachineCondition{}
		for _, c := range vm.Status.Conditions {
			conditions[c.Type] = c
		}
		return shows(kubevirt.VirtualMachineStatusPaused)(vm) && conditions[kubevirt.VirtualMachinePaused].Status == corev1.ConditionTrue &&
			conditions["LiveMigratable"].Reason == "NotMigratable"
	})
}

// testRestartRequired: a change of the template is pending while the instance of the old one runs.
func testRestartRequired(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyAlways)
	vmi := instanceOf(t, c, vm, "")
	runGuest(t, c, vmi)
	required := func(vm *vmT) bool {
		for _, c := range vm.Status.Conditions {
			if c.Type == kubevirt.VirtualMachineRestartRequired {
				return c.Status == corev1.ConditionTrue
			}
		}
		return false
	}
	change(t, c, vm, func(vm *vmT) { vm.Spec.Template.Spec.Hostname = "other" })
	until(t, c, vm, "RestartRequired", required)
	if vm.Status.ObservedGeneration == vm.Status.DesiredGeneration {
		t.Errorf("generation %d is what the instance was made of, and what it should be", vm.Status.ObservedGeneration)
	}
	request(t, c, vm, stopRequest(vmi), startRequest())
	stopped(t, c, vmi)
	again := instanceOf(t, c, vm, vmi.UID)
	if again.Spec.Hostname != "other" {
		t.Error("the new instance isn't of the new template")
	}
	until(t, c, vm, "not RestartRequired", func(vm *vmT) bool { return vm.Status.Created && !required(vm) })
}

// testLinks: the state of an interface's link is the running instance's at once, and no reason to restart.
func testLinks(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyManual) // which doesn't start it yet
	change(t, c, vm, func(vm *vmT) {
		vm.Spec.Template.Spec.Networks = []kubevirt.Network{*kubevirt.DefaultPodNetwork()}
		vm.Spec.Template.Spec.Domain.Devices.Interfaces = []kubevirt.Interface{*kubevirt.DefaultMasqueradeNetworkInterface()}
		vm.Spec.RunStrategy = ptr.To(kubevirt.RunStrategyAlways)
	})
	vmi := instanceOf(t, c, vm, "")
	runGuest(t, c, vmi)
	change(t, c, vm, func(vm *vmT) {
		vm.Spec.Template.Spec.Domain.Devices.Interfaces[0].State = kubevirt.InterfaceStateLinkDown
	})
	until(t, c, vmi, "link down", func(vmi *vmiT) bool {
		return vmi.Spec.Domain.Devices.Interfaces[0].State == kubevirt.InterfaceStateLinkDown
	})
	until(t, c, vm, "seen", func(vm *vmT) bool { return vm.Status.DesiredGeneration == vm.Generation })
	for _, condition := range vm.Status.Conditions {
		if condition.Type == kubevirt.VirtualMachineRestartRequired {
			t.Errorf("condition %+v", condition)
		}
	}
}

// testOrphan: an instance outlives a VirtualMachine that is deleted without it, and is the next one's that has its name.
func testOrphan(t *testing.T, c *cluster) {
	vm := newVM(t, c, kubevirt.RunStrategyAlways)
	vmi := instanceOf(t, c, vm, "")
	runGuest(t, c, vmi)
	if err := c.Delete(context.Background(), vm, client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
		t.Fatal(err)
	}
	// The garbage collector's part.
	until(t, c, vm, "only the garbage collector's finalizer", func(vm *vmT) bool {
		return len(vm.Finalizers) == 1 && vm.Finalizers[0] == metav1.FinalizerOrphanDependents
	})
	change(t, c, vmi, func(vmi *vmiT) { vmi.OwnerReferences = nil })
	change(t, c, vm, func(vm *vmT) { vm.Finalizers = nil })
	untilGone(t, c, vm)

	next := &vmT{ObjectMeta: metav1.ObjectMeta{Namespace: vm.Namespace, Name: vm.Name}, Spec: *vm.Spec.DeepCopy()}
	create(t, c, next)
	until(t, c, vmi, "the new owner", func(vmi *vmiT) bool { return metav1.IsControlledBy(vmi, next) })
	until(t, c, next, "Running", shows(kubevirt.VirtualMachineStatusRunning))
}

// testNameTaken: an instance that is somebody else's is left alone. When it is gone, the VirtualMachine has its own.
func testNameTaken(t *testing.T, c *cluster) {
	namespace := c.space(t)
	vmi := create(t, c, machine(namespace, "demo"))
	refused := func() *vmT {
		vm := &vmT{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "demo"}}
		vm.Spec.RunStrategy = ptr.To(kubevirt.RunStrategyAlways)
		vm.Spec.Template = &kubevirt.VirtualMachineInstanceTemplateSpec{Spec: vmi.Spec}
		create(t, c, vm)
		return until(t, c, vm, "condition Failure", func(vm *vmT) bool {
			return len(vm.Status.Conditions) == 1 && vm.Status.Conditions[0].Type == kubevirt.VirtualMachineFailure && vm.Status.Conditions[0].Reason == "InstanceNotOwned"
		})
	}
	vm := refused()
	untilEvent(t, c, vm, "InstanceNotOwned", "isn't this virtual machine's")
	if err := c.Delete(context.Background(), vm); err != nil {
		t.Fatal(err)
	}
	untilGone(t, c, vm)
	until(t, c, vmi, "no owner, no deletion", func(vmi *vmiT) bool { return vmi.DeletionTimestamp == nil && len(vmi.OwnerReferences) == 0 })

	vm = refused()
	other := vmi.DeepCopy()
	if err := c.Delete(context.Background(), vmi); err != nil {
		t.Fatal(err)
	}
	instanceOf(t, c, vm, other.UID)
	until(t, c, vm, "Starting", shows(kubevirt.VirtualMachineStatusStarting))
}
