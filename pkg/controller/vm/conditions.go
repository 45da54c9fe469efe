// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/vmi"
)

// own are the conditions that a VirtualMachine has by itself. All others are those of its instance.
var own = []kubevirt.VirtualMachineConditionType{
	kubevirt.VirtualMachineReady, kubevirt.VirtualMachineFailure, kubevirt.VirtualMachineRestartRequired,
}

// syncConditions shows the conditions of the instance as the VirtualMachine's, with those of its own. act is what is to be done.
func syncConditions(vm *kubevirt.VirtualMachine, instance *kubevirt.VirtualMachineInstance, act action, now metav1.Time) {
	s := &vm.Status
	shown := map[kubevirt.VirtualMachineConditionType]bool{}
	if instance != nil {
		for _, c := range instance.Status.Conditions {
			kind := kubevirt.VirtualMachineConditionType(c.Type)
			shown[kind] = true
			setCondition(vm, kind, c.Status, c.Reason, c.Message, c.LastTransitionTime)
		}
	}
	s.Conditions = slices.DeleteFunc(s.Conditions, func(c kubevirt.VirtualMachineCondition) bool {
		return !shown[c.Type] && !slices.Contains(own, c.Type)
	})
	switch {
	case shown[kubevirt.VirtualMachineReady]:
	case instance == nil:
		setCondition(vm, kubevirt.VirtualMachineReady, corev1.ConditionFalse, "VMINotExists", "there is no virtual machine instance", now)
	default:
		setCondition(vm, kubevirt.VirtualMachineReady, corev1.ConditionFalse, kubevirt.GuestNotRunningReason, vmi.NotRunning, now)
	}

	if instance != nil && instance.Annotations[templateAnnotation] != digest(vm) && !instance.IsFinal() {
		setCondition(vm, kubevirt.VirtualMachineRestartRequired, corev1.ConditionTrue, "RestartRequired",
			"the template has changed since the instance was started: restart the virtual machine for it to take effect", now)
	} else {
		removeCondition(vm, kubevirt.VirtualMachineRestartRequired)
	}
	// What went wrong is over when it is done, or nobody wants it any more.
	if c := condition(vm, kubevirt.VirtualMachineFailure); c != nil && !(c.Reason == reasonFailedCreate && act == start || c.Reason == reasonFailedDelete && act == stop) {
		removeCondition(vm, c.Type)
	}
}

func condition(vm *kubevirt.VirtualMachine, kind kubevirt.VirtualMachineConditionType) *kubevirt.VirtualMachineCondition {
	for i := range vm.Status.Conditions {
		if vm.Status.Conditions[i].Type == kind {
			return &vm.Status.Conditions[i]
		}
	}
	return nil
}

func isTrue(vm *kubevirt.VirtualMachine, kind kubevirt.VirtualMachineConditionType) bool {
	c := condition(vm, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}

// setCondition gives a VirtualMachine a condition. A condition whose status stays keeps its time of transition.
func setCondition(vm *kubevirt.VirtualMachine, kind kubevirt.VirtualMachineConditionType, status corev1.ConditionStatus, reason, message string, at metav1.Time) {
	c := kubevirt.VirtualMachineCondition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: at}
	old := condition(vm, kind)
	if old == nil {
		vm.Status.Conditions = append(vm.Status.Conditions, c)
		return
	}
	if old.Status == status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	*old = c
}

func removeCondition(vm *kubevirt.VirtualMachine, kind kubevirt.VirtualMachineConditionType) {
	vm.Status.Conditions = slices.DeleteFunc(vm.Status.Conditions, func(c kubevirt.VirtualMachineCondition) bool { return c.Type == kind })
}
