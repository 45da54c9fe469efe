// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"strings"
	"testing"
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
