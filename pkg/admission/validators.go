// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/tapir-vm/tapir/pkg/spec"
)

// machineValidator validates VirtualMachines, whose spec may change at any time: a running instance goes on as it is.
type machineValidator struct{ *judge }

var _ admission.Validator[*kubevirt.VirtualMachine] = machineValidator{}

func (v machineValidator) ValidateCreate(ctx context.Context, vm *kubevirt.VirtualMachine) (admission.Warnings, error) {
	return warnings(vm), v.validate(ctx, vm)
}

func (v machineValidator) ValidateUpdate(ctx context.Context, _, vm *kubevirt.VirtualMachine) (admission.Warnings, error) {
	if vm.DeletionTimestamp != nil {
		return nil, nil
	}
	return warnings(vm), v.validate(ctx, vm)
}

func (v machineValidator) ValidateDelete(context.Context, *kubevirt.VirtualMachine) (admission.Warnings, error) {
	return nil, nil
}

// validate judges the instance that a VirtualMachine would be given.
func (v machineValidator) validate(ctx context.Context, vm *kubevirt.VirtualMachine) error {
	if vm.Spec.Template == nil {
		request, err := admission.RequestFromContext(ctx)
		if err != nil {
			return err
		}
		return invalid(request, field.ErrorList{field.Required(field.NewPath("spec", "template"), "it describes the machine")})
	}
	return v.machine(ctx, vm, spec.Template(vm))
}

func warnings(vm *kubevirt.VirtualMachine) admission.Warnings {
	if vm.Spec.Running != nil {
		return admission.Warnings{"spec.running is deprecated: use spec.runStrategy"}
	}
	return nil
}

// instanceValidator validates VirtualMachineInstances when they are made. An admission policy keeps their spec as
// it is from then on, without this server: agents write what runs while no controller does.
type instanceValidator struct{ *judge }

var _ admission.Validator[*kubevirt.VirtualMachineInstance] = instanceValidator{}

func (v instanceValidator) ValidateCreate(ctx context.Context, vmi *kubevirt.VirtualMachineInstance) (admission.Warnings, error) {
	return nil, v.machine(ctx, nil, vmi)
}

func (v instanceValidator) ValidateUpdate(context.Context, *kubevirt.VirtualMachineInstance, *kubevirt.VirtualMachineInstance) (admission.Warnings, error) {
	return nil, nil
}

func (v instanceValidator) ValidateDelete(context.Context, *kubevirt.VirtualMachineInstance) (admission.Warnings, error) {
	return nil, nil
}

// migrationValidator refuses VirtualMachineInstanceMigrations.
type migrationValidator struct{}

var _ admission.Validator[*kubevirt.VirtualMachineInstanceMigration] = migrationValidator{}

func (migrationValidator) ValidateCreate(ctx context.Context, _ *kubevirt.VirtualMachineInstanceMigration) (admission.Warnings, error) {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return nil, err
	}
	return nil, invalid(request, field.ErrorList{field.Forbidden(field.NewPath("spec"), "live migration is not supported yet")})
}

func (migrationValidator) ValidateUpdate(context.Context, *kubevirt.VirtualMachineInstanceMigration, *kubevirt.VirtualMachineInstanceMigration) (admission.Warnings, error) {
	return nil, nil
}

func (migrationValidator) ValidateDelete(context.Context, *kubevirt.VirtualMachineInstanceMigration) (admission.Warnings, error) {
	return nil, nil
}
