// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"

	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// syncLinks gives the interfaces of an instance the link states that the template has by now: what may change of a machine that runs.
func (r *Reconciler) syncLinks(ctx context.Context, vm *kubevirt.VirtualMachine, vmi *kubevirt.VirtualMachineInstance) error {
	if gone(vmi) || vmi.IsFinal() {
		return nil
	}
	next := vmi.DeepCopy()
	if !copyLinks(next.Spec.Domain.Devices.Interfaces, vm.Spec.Template.Spec.Domain.Devices.Interfaces) {
		return nil
	}
	if err := r.Client.Patch(ctx, next, client.MergeFromWithOptions(vmi, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("change link states of virtual machine instance %s/%s: %w", vmi.Namespace, vmi.Name, err)
	}
	return nil
}

// copyLinks says whether there was anything to change.
func copyLinks(to, from []kubevirt.Interface) (changed bool) {
	for i := range to {
		for j := range from {
			if to[i].Name == from[j].Name && to[i].State != from[j].State {
				to[i].State, changed = from[j].State, true
			}
		}
	}
	return changed
}

// withoutLinks is a template's spec without what syncLinks takes care of.
func withoutLinks(spec *kubevirt.VirtualMachineInstanceSpec) *kubevirt.VirtualMachineInstanceSpec {
	spec = spec.DeepCopy()
	for i := range spec.Domain.Devices.Interfaces {
		spec.Domain.Devices.Interfaces[i].State = ""
	}
	return spec
}
