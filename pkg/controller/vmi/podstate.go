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
		if word, ok := lastWord(t.Message); ok {
			return ReasonFailed, word // as the agent says, if it hears it first
		}
		how, knew := ending(t)
		if message = shortened(t.Message); message == "" {
			message = how
		} else if !knew {
			message = how + "; its last words: " + message
		}
		if reason = t.Reason; reason == "" || vague[reason] {
			reason = ReasonPodEnded
		}
		return reason, c.Name + ": " + message
	}
	return ReasonPodEnded, cmp.Or(s.Message, "the machine's pod has failed")
}

// vague are reasons for the end of a container by which runtimes and kubelet mean that they don't know more.
var vague = map[string]bool{"Error": true, "Unknown": true, "ContainerStatusUnknown": true}

// Exit codes that a container which was killed by a signal has, from which on they count (bash(1), "EXIT STATUS"), and up to which.
const (
	noSignal   = 128
	lastSignal = noSignal + 64
)

// ending says how a container has ended, and whether what it has written last may say why: one that was killed didn't know.
func ending(t *corev1.ContainerStateTerminated) (how string, knew bool) {
	switch code := t.ExitCode; {
	case t.Reason == "Unknown", t.Reason == "ContainerStatusUnknown":
		return "nobody has seen its end, as when the node loses its power", false
	case code > noSignal && code <= lastSignal:
		return fmt.Sprintf("killed by signal %d", code-noSignal), false
	default:
		return fmt.Sprintf("exit code %d", code), true
	}
}

// maxMessage keeps conditions readable, in bytes.
const maxMessage = 1024

// lastWord is why a launcher says that its machine has ended, in its termination message: handover.Exit.
func lastWord(text string) (string, bool) {
	var exit handover.Exit
	if json.Unmarshal([]byte(text), &exit) != nil || exit.Message == "" {
		return "", false
	}
	return shortened(exit.Message), true
}

// shortened is the end of a text, which may be a page of log.
func shortened(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxMessage {
		text = "…" + strings.ToValidUTF8(text[len(text)-maxMessage:], "")
	}
	return text
}
