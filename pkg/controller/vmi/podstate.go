// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// ended says whether none of a pod's containers will run again.
func ended(launcher *corev1.Pod) bool {
	return launcher.Status.Phase == corev1.PodSucceeded || launcher.Status.Phase == corev1.PodFailed
}

// started says whether the launcher runs. It needn't be ready: that is what the guest decides, by its probe.
func started(launcher *corev1.Pod) bool {
	for _, c := range launcher.Status.ContainerStatuses {
		if c.Name == handover.Container {
			return launcher.Spec.NodeName != "" && c.State.Running != nil
		}
	}
	return false
}

func podCondition(launcher *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range launcher.Status.Conditions {
		if launcher.Status.Conditions[i].Type == kind {
			return &launcher.Status.Conditions[i]
		}
	}
	return nil
}

func containers(launcher *corev1.Pod) []corev1.ContainerStatus {
	s := &launcher.Status
	return append(s.InitContainerStatuses[:len(s.InitContainerStatuses):len(s.InitContainerStatuses)], s.ContainerStatuses...)
}

// stuck says what keeps a container from starting, such as an image that can't be pulled.
func stuck(launcher *corev1.Pod) (reason, message string) {
	for _, c := range containers(launcher) {
		switch w := c.State.Waiting; {
		case w == nil, w.Reason == "", w.Reason == "ContainerCreating", w.Reason == "PodInitializing":
		default:
			return w.Reason, cmp.Or(w.Message, fmt.Sprintf("container %s, image %s", c.Name, c.Image))
		}
	}
	return "", ""
}

// succeeded says whether the guest has ended as it wanted to: the launcher's exit code says so. A pod that was put an end to
// from outside has no such word from its launcher.
func succeeded(launcher *corev1.Pod) bool {
	for _, c := range launcher.Status.ContainerStatuses {
		if c.Name == handover.Container {
			return c.State.Terminated != nil && c.State.Terminated.ExitCode == 0
		}
	}
	return false
}

// failure says why a pod has failed: what was done to the pod (such as Evicted), or else the first of its containers that failed.
func failure(launcher *corev1.Pod) (reason, message string) {
	s := &launcher.Status
	if s.Reason != "" {
		return s.Reason, s.Message
	}
	for _, c := range containers(launcher) {
		t := c.State.Terminated
		if t == nil || t.ExitCode == 0 {
			continue
		}
		reason, message = t.Reason, exitMessage(t.Message)
		if reason == "" || reason == anyFailure {
			reason = ReasonPodEnded
		}
		if how := exitCode(t.ExitCode); message == "" {
			message = how
		} else if t.ExitCode > signalled {
			message = how + "; its last words: " + message // what it was at, which isn't why it ended
		}
		return reason, c.Name + ": " + message
	}
	return ReasonPodEnded, cmp.Or(s.Message, "the machine's pod has failed")
}

// anyFailure is the kubelet's reason for a container that has failed in no way that it has a word for.
const anyFailure = "Error"

// signalled is what a runtime adds to the number of the signal that has killed a container, and calls that its exit code.
const signalled = 128

func exitCode(code int32) string {
	if code > signalled {
		return fmt.Sprintf("killed by signal %d", code-signalled)
	}
	return fmt.Sprintf("exit code %d", code)
}

// maxMessage keeps conditions readable: a termination message may be a page of log.
const maxMessage = 1024

// exitMessage is the text of a termination message, which is the launcher's handover.Exit, or anything.
func exitMessage(text string) string {
	var exit handover.Exit
	if json.Unmarshal([]byte(text), &exit) == nil && exit.Message != "" {
		text = exit.Message
	}
	text = strings.TrimSpace(text)
	if len(text) > maxMessage {
		text = "…" + strings.ToValidUTF8(text[len(text)-maxMessage:], "")
	}
	return text
}
