// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/pkg/controller/status"
)

// openGate sets the condition of the pod's readiness gate: Services send to a guest that runs and isn't paused.
func (r *Reconciler) openGate(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod) error {
	want := corev1.PodCondition{Type: kubevirt.VirtualMachineUnpaused, Status: corev1.ConditionTrue, Reason: "NotPaused", Message: "the virtual machine is not paused"}
	paused := status.Condition(vmi, kubevirt.VirtualMachineInstancePaused)
	switch {
	case vmi.Status.Phase != kubevirt.Running:
		want.Status, want.Reason, want.Message = corev1.ConditionFalse, kubevirt.GuestNotRunningReason, "the guest doesn't run"
	case paused != nil && paused.Status == corev1.ConditionTrue:
		want.Status, want.Reason, want.Message = corev1.ConditionFalse, "Paused", "the virtual machine is paused"
	}
	have := podCondition(launcher, want.Type)
	if have == nil && want.Status == corev1.ConditionFalse || have != nil && have.Status == want.Status {
		return nil // a gate without a condition is closed
	}
	want.LastTransitionTime = metav1.Now()
	opened := launcher.DeepCopy()
	if have := podCondition(opened, want.Type); have != nil {
		*have = want
	} else {
		opened.Status.Conditions = append(opened.Status.Conditions, want)
	}
	if err := r.Client.Status().Patch(ctx, opened, client.StrategicMergeFrom(launcher)); err != nil {
		return fmt.Errorf("set readiness gate of pod %s/%s: %w", launcher.Namespace, launcher.Name, err)
	}
	return nil
}
