// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestShortened: what is kept of a log is its end.
func TestShortened(t *testing.T) {
	for in, want := range map[string]string{
		"panic: no\n":                   "panic: no",
		"":                              "",
		strings.Repeat("é", maxMessage): "…" + strings.Repeat("é", maxMessage/2),
	} {
		if got := shortened(in); got != want {
			t.Errorf("%.40q: got %.40q, want %.40q", in, got, want)
		}
	}
}

// TestFailure: a container that was killed has no word of why in its log.
func TestFailure(t *testing.T) {
	for name, test := range map[string]struct {
		ended           corev1.ContainerStateTerminated
		reason, message string
	}{
		"says why":             {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1, Message: "no disk"}, "PodEnded", "compute: no disk"},
		"says it in our words": {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1, Message: `{"failed":true,"message":"QEMU was ended by signal 9"}`}, "Failed", "QEMU was ended by signal 9"},
		"says nothing of it":   {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1, Message: `{"failed":true}`}, "PodEnded", `compute: {"failed":true}`},
		"doesn't":              {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 2}, "PodEnded", "compute: exit code 2"},
		"killed":               {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 137, Message: "started"}, "PodEnded", "compute: killed by signal 9; its last words: started"},
		"killed, with no log":  {corev1.ContainerStateTerminated{ExitCode: 143}, "PodEnded", "compute: killed by signal 15"},
		"its node lost its power": {corev1.ContainerStateTerminated{Reason: "Unknown", ExitCode: 255, Message: "started"}, "PodEnded",
			"compute: nobody has seen its end, as when the node loses its power; its last words: started"},
		"killed for its own good": {corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}, "OOMKilled", "compute: killed by signal 9"},
	} {
		t.Run(name, func(t *testing.T) {
			launcher := podIn(corev1.PodFailed)
			launcher.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "compute", State: corev1.ContainerState{Terminated: &test.ended}}}
			if reason, message := failure(launcher); reason != test.reason || message != test.message {
				t.Errorf("got %q, %q; want %q, %q", reason, message, test.reason, test.message)
			}
		})
	}
}
