// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/handover"
)

// action is what is to be done after the status is written.
type action int

const (
	nothing   action = iota // but what goes with a pod that is there
	createPod               //
	deletePod               //
	release                 // take the finalizer away
	lookAgain               // after endMargin
)

// endMargin is how long a launcher may take to end once its guest has: then it is deleted.
const endMargin = 15 * time.Second

// PodScheduled is a condition that KubeVirt takes over from the pod.
const PodScheduled = kubevirt.VirtualMachineInstanceConditionType(corev1.PodScheduled)

// Reasons of conditions, as KubeVirt has them where it has them.
const (
	ReasonFailedCreate     = "FailedCreate"            // Synchronized: the API server refuses the pod
	ReasonPVCNotFound      = "FailedPvcNotFound"       // Synchronized
	ReasonErrImagePull     = "ErrImagePull"            // Synchronized: the kubelet's
	ReasonImagePullBackOff = "ImagePullBackOff"        // Synchronized: the kubelet's
	ReasonFailedMount      = "FailedMount"             // Synchronized: a Secret or ConfigMap isn't there, or a volume
	ReasonFailed           = "Failed"                  // Synchronized: the launcher has said why
	ReasonPodEnded         = "PodEnded"                // Synchronized: before, or without, the machine's own end
	ReasonProvisioning     = "Provisioning"            // Provisioning: a claim is being filled
	ReasonDataVolumeError  = "DataVolumeError"         // Provisioning: filling it has failed
	ReasonVolumeBinding    = "WaitingForVolumeBinding" // Provisioning: a claim has no volume
	ReasonNodeUnresponsive = "NodeUnresponsive"        // Ready
)

// NotRunning is the message of the condition Ready of a machine that is starting.
const NotRunning = "the guest doesn't run yet"

// decide changes vmi into what its status should be, and says what to do then. It is pure, but for changing vmi.
func decide(vmi *kubevirt.VirtualMachineInstance, seen *observed, now metav1.Time) action {
	if vmi.DeletionTimestamp == nil && !vmi.IsFinal() {
		controllerutil.AddFinalizer(vmi, kubevirt.VirtualMachineInstanceFinalizer)
	}
	vmi.Status.RuntimeUser = handover.UID
	if vmi.Status.Phase == kubevirt.VmPhaseUnset {
		status.SetPhase(vmi, kubevirt.Pending, now)
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionFalse, kubevirt.GuestNotRunningReason, NotRunning, now)
	}
	follow(vmi, seen, now)

	switch deleting := vmi.DeletionTimestamp != nil; {
	case seen.pod != nil && deleting:
		return deletePod
	case seen.pod != nil && vmi.IsFinal() && !ended(seen.pod):
		if now.Sub(status.Since(vmi)) < endMargin {
			return lookAgain
		}
		return deletePod
	case seen.pod != nil:
		return nothing
	case deleting:
		return release
	case vmi.Status.Phase == kubevirt.Pending && ready(vmi, seen, now):
		return createPod
	}
	return nothing
}

// follow moves a machine on as its pod has moved.
func follow(vmi *kubevirt.VirtualMachineInstance, seen *observed, now metav1.Time) {
	launcher := seen.pod
	switch {
	case vmi.IsFinal():
	case launcher == nil && vmi.Status.Phase == kubevirt.Pending:
		if vmi.DeletionTimestamp != nil {
			status.SetPhase(vmi, kubevirt.Failed, now)
		}
	case launcher == nil:
		fail(vmi, ReasonPodEnded, "the machine's pod is gone", now)
	case ended(launcher):
		end(vmi, launcher, now)
	case vmi.Status.NodeName != "":
		hear(vmi, seen.lost, now)
	case started(launcher):
		schedule(vmi, seen, now)
	default:
		status.SetPhase(vmi, kubevirt.Scheduling, now)
		wait(vmi, seen, now)
	}
}

// schedule hands the machine over to the agent of its node.
func schedule(vmi *kubevirt.VirtualMachineInstance, seen *observed, now metav1.Time) {
	launcher := seen.pod
	status.SetPhase(vmi, kubevirt.Scheduled, now)
	for _, kind := range []kubevirt.VirtualMachineInstanceConditionType{PodScheduled, kubevirt.VirtualMachineInstanceProvisioning, kubevirt.VirtualMachineInstanceSynchronized} {
		status.RemoveCondition(vmi, kind)
	}
	s := &vmi.Status
	s.NodeName = launcher.Spec.NodeName
	s.VolumeStatus = seen.volumeStatus(vmi)
	s.ActivePods = map[types.UID]string{launcher.UID: launcher.Spec.NodeName}
	s.QOSClass = ptr.To(launcher.Status.QOSClass)
	s.LauncherContainerImageVersion = launcher.Spec.Containers[0].Image
	if vmi.Labels == nil {
		vmi.Labels = map[string]string{}
	}
	vmi.Labels[kubevirt.NodeNameLabel] = launcher.Spec.NodeName
}

// wait says why the pod doesn't run yet.
func wait(vmi *kubevirt.VirtualMachineInstance, seen *observed, now metav1.Time) {
	if c := podCondition(seen.pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
		status.SetCondition(vmi, PodScheduled, corev1.ConditionFalse, c.Reason, c.Message, now)
	} else {
		status.RemoveCondition(vmi, PodScheduled)
	}
	if message := seen.unbound(); message != "" {
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceProvisioning, corev1.ConditionTrue, ReasonVolumeBinding, message, now)
	} else {
		status.RemoveCondition(vmi, kubevirt.VirtualMachineInstanceProvisioning)
	}
	if reason, message := stuck(seen.pod); reason != "" {
		notReady(vmi, reason, message, now)
	} else if seen.unmounted != "" {
		notReady(vmi, ReasonFailedMount, seen.unmounted, now)
	} else {
		status.RemoveCondition(vmi, kubevirt.VirtualMachineInstanceSynchronized)
	}
}

// ready says whether a machine without a pod can have one, and else gives it the condition that says why not.
func ready(vmi *kubevirt.VirtualMachineInstance, seen *observed, now metav1.Time) bool {
	if message := seen.missingClaim(); message != "" {
		notReady(vmi, ReasonPVCNotFound, message, now)
		return false
	}
	if c := status.Condition(vmi, kubevirt.VirtualMachineInstanceSynchronized); c != nil && c.Reason == ReasonPVCNotFound {
		status.RemoveCondition(vmi, c.Type)
	}
	reason, message := seen.importing()
	if reason != "" {
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceProvisioning, corev1.ConditionTrue, reason, message, now)
	} else {
		status.RemoveCondition(vmi, kubevirt.VirtualMachineInstanceProvisioning)
	}
	return reason == ""
}

// notReady says why a machine has no pod that runs.
func notReady(vmi *kubevirt.VirtualMachineInstance, reason, message string, now metav1.Time) {
	status.SetCondition(vmi, kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, reason, message, now)
}

// end gives a machine its final phase by how its pod has ended. The agent does the same when it sees the guest end;
// whoever writes first is right, and the other is told by a conflict.
func end(vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod, now metav1.Time) {
	if succeeded(launcher) {
		status.SetPhase(vmi, kubevirt.Succeeded, now)
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionFalse, kubevirt.GuestNotRunningReason, "the guest has shut down", now)
		return
	}
	reason, message := failure(launcher)
	fail(vmi, reason, message, now)
}

func fail(vmi *kubevirt.VirtualMachineInstance, reason, message string, now metav1.Time) {
	status.SetPhase(vmi, kubevirt.Failed, now)
	vmi.Status.Reason = reason
	notReady(vmi, reason, message, now)
	status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionFalse, kubevirt.GuestNotRunningReason, message, now)
}

// hear takes a machine for not ready when its node is lost. status.reason says that this was done: once, for an agent that is still
// there knows better, and what it writes then is not to be fought over.
func hear(vmi *kubevirt.VirtualMachineInstance, lost string, now metav1.Time) {
	switch told := vmi.Status.Reason == ReasonNodeUnresponsive; {
	case lost == "" && told:
		vmi.Status.Reason = ""
	case lost != "" && !told:
		vmi.Status.Reason = ReasonNodeUnresponsive
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionFalse, ReasonNodeUnresponsive, lost, now)
	}
}
