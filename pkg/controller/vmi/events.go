// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
)

// tell makes an event of each condition that a user must hear of, when it has come or has another reason.
func (r *Reconciler) tell(old, next *kubevirt.VirtualMachineInstance) {
	for i := range next.Status.Conditions {
		c := &next.Status.Conditions[i]
		before := status.Condition(old, c.Type)
		if before != nil && before.Status == c.Status && before.Reason == c.Reason {
			continue
		}
		if kind := news(c); kind != "" {
			r.Events.Eventf(next, nil, kind, c.Reason, "Reconcile", "%s", c.Message)
		}
	}
}

// news is the type of the event that a condition is, "" for those that are none.
func news(c *kubevirt.VirtualMachineInstanceCondition) string {
	switch {
	case c.Type == kubevirt.VirtualMachineInstanceProvisioning && c.Reason != ReasonDataVolumeError:
		return corev1.EventTypeNormal // it only takes time
	case c.Type == kubevirt.VirtualMachineInstanceProvisioning,
		c.Type == PodScheduled && c.Status == corev1.ConditionFalse,
		c.Type == kubevirt.VirtualMachineInstanceSynchronized && c.Status == corev1.ConditionFalse,
		c.Reason == ReasonNodeUnresponsive:
		return corev1.EventTypeWarning
	}
	return ""
}
