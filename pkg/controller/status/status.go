// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// SetPhase moves a machine to a phase and notes when, unless it is there already.
func SetPhase(vmi *kubevirt.VirtualMachineInstance, phase kubevirt.VirtualMachineInstancePhase, now metav1.Time) {
	s := &vmi.Status
	if s.Phase == phase {
		return
	}
	s.Phase = phase
	s.PhaseTransitionTimestamps = slices.DeleteFunc(s.PhaseTransitionTimestamps,
		func(t kubevirt.VirtualMachineInstancePhaseTransitionTimestamp) bool { return t.Phase == phase })
	s.PhaseTransitionTimestamps = append(s.PhaseTransitionTimestamps,
		kubevirt.VirtualMachineInstancePhaseTransitionTimestamp{Phase: phase, PhaseTransitionTimestamp: now})
}

// Since says when a machine has come into its phase.
func Since(vmi *kubevirt.VirtualMachineInstance) time.Time {
	for _, t := range vmi.Status.PhaseTransitionTimestamps {
		if t.Phase == vmi.Status.Phase {
			return t.PhaseTransitionTimestamp.Time
		}
	}
	return time.Time{}
}

// WasIn says whether a machine has ever been in a phase.
func WasIn(vmi *kubevirt.VirtualMachineInstance, phase kubevirt.VirtualMachineInstancePhase) bool {
	return slices.ContainsFunc(vmi.Status.PhaseTransitionTimestamps,
		func(t kubevirt.VirtualMachineInstancePhaseTransitionTimestamp) bool { return t.Phase == phase })
}

// Condition returns a machine's condition, nil when it has none of this type.
func Condition(vmi *kubevirt.VirtualMachineInstance, kind kubevirt.VirtualMachineInstanceConditionType) *kubevirt.VirtualMachineInstanceCondition {
	for i := range vmi.Status.Conditions {
		if vmi.Status.Conditions[i].Type == kind {
			return &vmi.Status.Conditions[i]
		}
	}
	return nil
}

// SetCondition gives a machine a condition. Its time of transition is that of the last change of its status, as everywhere in
// Kubernetes. Says whether anything but times has changed.
func SetCondition(vmi *kubevirt.VirtualMachineInstance, kind kubevirt.VirtualMachineInstanceConditionType, status corev1.ConditionStatus,
	reason, message string, now metav1.Time) bool {
	c := kubevirt.VirtualMachineInstanceCondition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: now}
	old := Condition(vmi, kind)
	if old == nil {
		vmi.Status.Conditions = append(vmi.Status.Conditions, c)
		return true
	}
	if old.Status == status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	c.LastProbeTime = old.LastProbeTime
	changed := *old != c
	*old = c
	return changed
}

// RemoveCondition takes a condition from a machine.
func RemoveCondition(vmi *kubevirt.VirtualMachineInstance, kind kubevirt.VirtualMachineInstanceConditionType) {
	vmi.Status.Conditions = slices.DeleteFunc(vmi.Status.Conditions,
		func(c kubevirt.VirtualMachineInstanceCondition) bool { return c.Type == kind })
}

// Patch writes metadata and status of changed where they differ from old, which is as it was read, and brings changed up to date.
// Returns an error that apierrors.IsConflict is true for when the object has changed in between.
func Patch(ctx context.Context, c client.Client, old, changed *kubevirt.VirtualMachineInstance) error {
	if equality.Semantic.DeepEqual(old.Status, changed.Status) && equality.Semantic.DeepEqual(old.ObjectMeta, changed.ObjectMeta) {
		return nil
	}
	patch := client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})
	if err := c.Patch(ctx, changed, patch); err != nil {
		return fmt.Errorf("write status of virtual machine instance %s/%s: %w", old.Namespace, old.Name, err)
	}
	return nil
}
