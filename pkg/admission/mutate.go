// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// machines sets defaults and addresses of VirtualMachines.
type machines struct {
	options *Options
	macs    *reservations
}

// Default implements admission.Defaulter.
func (m *machines) Default(ctx context.Context, vm *kubevirt.VirtualMachine) error {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	// An object without template is refused by validation; one that is on its way out goes as it is.
	if vm.Spec.Template == nil || vm.DeletionTimestamp != nil {
		return nil
	}
	if request.Operation == admissionv1.Update {
		old := &kubevirt.VirtualMachine{}
		if err := json.Unmarshal(request.OldObject.Raw, old); err != nil {
			return fmt.Errorf("read the VirtualMachine as it was: %w", err)
		}
		if old.Spec.Template != nil {
			keepIdentity(&vm.Spec.Template.Spec, &old.Spec.Template.Spec)
		}
	}
	if request.Name == "" {
		return invalid(request, errNoName)
	}
	defaultMachine(vm, m.options)
	path := field.NewPath("spec", "template", "spec")
	return m.macs.give(ctx, m.options, &vm.Spec.Template.Spec, path, target(request))
}

// instances sets defaults and addresses of VirtualMachineInstances, when they are made.
type instances struct {
	options *Options
	macs    *reservations
}

// Default implements admission.Defaulter.
func (i *instances) Default(ctx context.Context, vmi *kubevirt.VirtualMachineInstance) error {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	if request.Name == "" {
		return invalid(request, errNoName)
	}
	defaultInstance(vmi, i.options)
	// There is no subresource that would keep an object's maker from writing its status.
	vmi.Status = kubevirt.VirtualMachineInstanceStatus{}
	controllerutil.AddFinalizer(vmi, kubevirt.VirtualMachineInstanceFinalizer)
	return i.macs.give(ctx, i.options, &vmi.Spec, field.NewPath("spec"), target(request))
}

// errNoName is about an object whose name the API server has still to make up: its addresses are reserved under its name.
var errNoName = field.ErrorList{field.Required(field.NewPath("metadata", "name"), "generateName is not supported yet")}

// machine is the object of a request.
type machine struct {
	types.NamespacedName
	request admission.Request
	dryRun  bool
}

func target(request admission.Request) machine {
	name := types.NamespacedName{Namespace: request.Namespace, Name: request.Name}
	return machine{name, request, ptr.Deref(request.DryRun, false)}
}

// give reserves the addresses that a machine's interfaces have, and gives one to those that have none.
func (r *reservations) give(ctx context.Context, o *Options, spec *kubevirt.VirtualMachineInstanceSpec, path *field.Path, m machine) error {
	for i := range spec.Domain.Devices.Interfaces {
		nic := &spec.Domain.Devices.Interfaces[i]
		if nic.MacAddress == "" {
			mac, err := r.free(ctx, o, m)
			if err != nil {
				return err
			}
			nic.MacAddress = mac.String()
			continue
		}
		mac, err := net.ParseMAC(nic.MacAddress)
		if err != nil || len(mac) != 6 {
			continue // validation says what is wrong with it
		}
		err = r.take(ctx, mac, m.NamespacedName, m.dryRun)
		if taken := (*takenError)(nil); errors.As(err, &taken) {
			at := path.Child("domain", "devices", "interfaces").Index(i).Child("macAddress")
			return invalid(m.request, field.ErrorList{field.Invalid(at, nic.MacAddress, taken.Error())})
		} else if err != nil {
			return err
		}
	}
	return nil
}

// free reserves a random address of the range.
func (r *reservations) free(ctx context.Context, o *Options, m machine) (net.HardwareAddr, error) {
	for range maxPicks {
		mac := pick(o.FirstMAC, o.LastMAC)
		err := r.take(ctx, mac, m.NamespacedName, m.dryRun)
		if taken := (*takenError)(nil); errors.As(err, &taken) {
			continue
		}
		return mac, err
	}
	return nil, apierrors.NewInternalError(fmt.Errorf("found no free MAC address from %v to %v in %d tries: make the range larger", o.FirstMAC, o.LastMAC, maxPicks))
}
