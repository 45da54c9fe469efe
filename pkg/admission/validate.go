// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/tapir-vm/tapir/pkg/spec"
)

// reservedLabels are those of an instance that pods and nodes are found by: KubeVirt's list. Updates of them are kept to
// Tapir's own users by an admission policy.
var reservedLabels = []string{kubevirt.CreatedByLabel, kubevirt.MigrationJobLabel, kubevirt.NodeNameLabel,
	kubevirt.MigrationTargetNodeNameLabel, kubevirt.NodeSchedulable, kubevirt.InstallStrategyLabel}

// judge validates the objects of all kinds.
type judge struct {
	options *Options
	client  client.Client
}

// machine says what is wrong with a machine and what Tapir doesn't do of it. metadata is where its labels are.
func (j *judge) machine(ctx context.Context, vm *kubevirt.VirtualMachine, vmi *kubevirt.VirtualMachineInstance) error {
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	metadata, path := field.NewPath("metadata"), field.NewPath("spec")
	if vm != nil {
		metadata, path = field.NewPath("spec", "template", "metadata"), field.NewPath("spec", "template", "spec")
	}
	var errs field.ErrorList
	if request.UserInfo.Username != j.options.ControllerUser {
		for _, label := range reservedLabels {
			if _, ok := vmi.Labels[label]; ok {
				errs = append(errs, field.Forbidden(metadata.Child("labels").Key(label), "is set by Tapir only"))
			}
		}
	}
	for i, volume := range vmi.Spec.Volumes {
		if volume.HostDisk != nil && !j.options.Pods.HostDisks {
			errs = append(errs, field.Forbidden(path.Child("volumes").Index(i).Child("hostDisk"),
				"this installation doesn't allow files of nodes: use a persistentVolumeClaim"))
		}
	}
	if vm != nil && vm.Spec.RunStrategy == nil && vm.Spec.Running == nil {
		errs = append(errs, field.Required(field.NewPath("spec", "runStrategy"), "says when the machine runs, such as Always"))
	}
	if _, err := spec.Convert(spec.NewMachine(vm, vmi), nil); err != nil {
		errs = append(errs, fieldErrors(err)...)
	}
	if len(errs) == 0 {
		errs, err = j.pod(ctx, vmi, path)
	}
	if err != nil {
		return err
	}
	return invalid(request, errs)
}

// fieldErrors takes the error of spec.Convert apart.
func fieldErrors(err error) field.ErrorList {
	var list field.ErrorList
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		e := new(spec.Error)
		if !errors.As(err, &e) {
			list = append(list, field.InternalError(nil, err))
			continue
		}
		list = append(list, &field.Error{Type: typeOf(e), Field: e.Field, Detail: e.Detail, BadValue: field.OmitValueType{}})
	}
	return list
}

func typeOf(e *spec.Error) field.ErrorType {
	if e.Unsupported {
		return field.ErrorTypeForbidden
	}
	return field.ErrorTypeInvalid
}

// invalid is the API server's answer to an object with errors in it; nil when there are none. Details are whole sentences
// of their own, so the answer has them as they are, a line each.
func invalid(request admission.Request, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	status := metav1.Status{
		Status: metav1.StatusFailure,
		Code:   http.StatusUnprocessableEntity,
		Reason: metav1.StatusReasonInvalid,
		Details: &metav1.StatusDetails{
			Group: request.Kind.Group,
			Kind:  request.Kind.Kind,
			Name:  request.Name,
		},
	}
	id := schema.GroupKind{Group: request.Kind.Group, Kind: request.Kind.Kind}
	status.Message = id.String() + " " + request.Name + " is invalid: "
	for i, e := range errs {
		line := e.Field + ": " + e.Detail
		if i > 0 {
			status.Message += "\n"
		}
		status.Message += line
		status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{Type: metav1.CauseType(e.Type), Field: e.Field, Message: e.Detail})
	}
	return &apierrors.StatusError{ErrStatus: status}
}
