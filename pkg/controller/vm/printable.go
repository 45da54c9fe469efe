// SPDX-License-Identifier: Apache-2.0

package vm

import (
	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/controller/vmi"
)

// waiting are the values for an instance that doesn't run yet, by the reason of a condition that says why.
var waiting = map[string]kubevirt.VirtualMachinePrintableStatus{
	vmi.ReasonPVCNotFound:         kubevirt.VirtualMachineStatusPvcNotFound,
	vmi.ReasonDataVolumeError:     kubevirt.VirtualMachineStatusDataVolumeError,
	vmi.ReasonProvisioning:        kubevirt.VirtualMachineStatusProvisioning,
	vmi.ReasonVolumeBinding:       kubevirt.VirtualMachineStatusWaitingForVolumeBinding,
	corev1.PodReasonUnschedulable: kubevirt.VirtualMachineStatusUnschedulable,
	vmi.ReasonErrImagePull:        kubevirt.VirtualMachineStatusErrImagePull,
	vmi.ReasonImagePullBackOff:    kubevirt.VirtualMachineStatusImagePullBackOff,
}

// reasons are where to look for one, what is most to the point first.
var reasons = []kubevirt.VirtualMachineInstanceConditionType{
	kubevirt.VirtualMachineInstanceSynchronized, kubevirt.VirtualMachineInstanceProvisioning, vmi.PodScheduled,
}

// printable is what kubectl shows of a VirtualMachine in one word.
func printable(vm *kubevirt.VirtualMachine, instance *kubevirt.VirtualMachineInstance, act action) kubevirt.VirtualMachinePrintableStatus {
	switch {
	case vm.DeletionTimestamp != nil:
		return kubevirt.VirtualMachineStatusTerminating
	case vm.Status.StartFailure != nil && (instance == nil || instance.IsFinal()):
		return kubevirt.VirtualMachineStatusCrashLoopBackOff
	case instance == nil && act != nothing:
		return kubevirt.VirtualMachineStatusStarting
	case instance == nil:
		return kubevirt.VirtualMachineStatusStopped
	case instance.DeletionTimestamp != nil || act == stop:
		return kubevirt.VirtualMachineStatusStopping
	case instance.IsFinal():
		return kubevirt.VirtualMachineStatusStopped
	case instance.Status.Phase == kubevirt.Running:
		if isTrue(vm, kubevirt.VirtualMachinePaused) {
			return kubevirt.VirtualMachineStatusPaused
		}
		return kubevirt.VirtualMachineStatusRunning
	case instance.Status.Phase == kubevirt.Unknown:
		return kubevirt.VirtualMachineStatusUnknown
	}
	for _, kind := range reasons {
		if c := status.Condition(instance, kind); c != nil && waiting[c.Reason] != "" {
			return waiting[c.Reason]
		}
	}
	return kubevirt.VirtualMachineStatusStarting
}
