// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestExitMessage: what a launcher says last is its handover.Exit, or whatever somebody has made of it.
func TestExitMessage(t *testing.T) {
	for in, want := range map[string]string{
		`{"failed":true,"message":"QEMU was ended by signal 9"}`: "QEMU was ended by signal 9",
		`{"failed":true}`:               `{"failed":true}`,
		"panic: no\n":                   "panic: no",
		"":                              "",
		strings.Repeat("é", maxMessage): "…" + strings.Repeat("é", maxMessage/2),
	} {
		if got := exitMessage(in); got != want {
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
		"says why":                {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1, Message: "no disk"}, "PodEnded", "compute: no disk"},
		"doesn't":                 {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 2}, "PodEnded", "compute: exit code 2"},
		"killed":                  {corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 137, Message: "started"}, "PodEnded", "compute: killed by signal 9; its last words: started"},
		"killed, with no log":     {corev1.ContainerStateTerminated{ExitCode: 143}, "PodEnded", "compute: killed by signal 15"},
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
