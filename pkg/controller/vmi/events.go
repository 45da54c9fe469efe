// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
)

// told are the conditions that a user must hear of, and the status in which they are bad news.
var told = map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{
	PodScheduled: corev1.ConditionFalse,
	kubevirt.VirtualMachineInstanceSynchronized: corev1.ConditionFalse,
	kubevirt.VirtualMachineInstanceProvisioning: corev1.ConditionTrue,
}

// tell makes an event of each condition that has turned bad, or has another reason for it, and of a node that was lost.
func (r *Reconciler) tell(old, next *kubevirt.VirtualMachineInstance) {
	for i := range next.Status.Conditions {
		c := &next.Status.Conditions[i]
		before := status.Condition(old, c.Type)
		if before != nil && before.Status == c.Status && before.Reason == c.Reason {
			continue
		}
		if told[c.Type] == c.Status || c.Reason == ReasonNodeUnresponsive {
			r.Events.Eventf(next, nil, corev1.EventTypeWarning, c.Reason, "Reconcile", "%s", c.Message)
		}
	}
}
