// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
)

// pod has the API server judge the fields that go into the launcher pod as they are, by a dry run of the pod's creation: its
// rules for affinities, tolerations, probes and labels are not to be had as a library. Only what it calls invalid counts: a quota
// that is used up today doesn't make a machine a wrong one.
func (j *judge) pod(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, path *field.Path) (field.ErrorList, error) {
	if !reachesPod(vmi) {
		return nil, nil
	}
	vmi = vmi.DeepCopy()
	vmi.UID = "dry-run"
	rendered, err := pod.Render(vmi, nil, j.options.Pods)
	if err != nil {
		return field.ErrorList{field.Invalid(path, field.OmitValueType{}, err.Error())}, nil
	}
	rendered.OwnerReferences = nil
	err = j.client.Create(ctx, rendered, client.DryRunAll)
	if !apierrors.IsInvalid(err) {
		return nil, nil
	}
	var errs field.ErrorList
	status := apierrors.APIStatus(nil)
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			at := path
			if inside, ok := strings.CutPrefix(cause.Field, "spec."); ok && !strings.HasPrefix(inside, "containers") {
				at = path.Child(inside)
			}
			errs = append(errs, &field.Error{Type: field.ErrorTypeInvalid, Field: at.String(), BadValue: field.OmitValueType{},
				Detail: fmt.Sprintf("the launcher pod's %s: %s", cause.Field, cause.Message)})
		}
	}
	if len(errs) == 0 {
		errs = field.ErrorList{field.Invalid(path, field.OmitValueType{}, err.Error())}
	}
	return errs, nil
}

// reachesPod tells whether a machine has something that only the API server can judge.
func reachesPod(vmi *kubevirt.VirtualMachineInstance) bool {
	s := &vmi.Spec
	return len(vmi.Labels)+len(vmi.Annotations)+len(s.NodeSelector)+len(s.Tolerations)+len(s.TopologySpreadConstraints)+len(s.SchedulerName)+len(s.PriorityClassName) > 0 ||
		s.Affinity != nil || s.LivenessProbe != nil || s.ReadinessProbe != nil || hasPorts(s)
}

func hasPorts(s *kubevirt.VirtualMachineInstanceSpec) bool {
	for _, nic := range s.Domain.Devices.Interfaces {
		if len(nic.Ports) > 0 {
			return true
		}
	}
	return false
}
