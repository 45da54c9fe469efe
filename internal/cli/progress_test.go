// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"testing"
)

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	log := watch(&out).With("vm", "demo", "nic", "default")
	log.Info("lease", "host", "käse\x1b[2J\nforged: line\u202e\xff")
	log.Warn("slow")
	log.Debug("unseen")
	want := "demo: lease nic=default host=käse\\x1b[2J\\nforged: line\\u202e\ufffd\ndemo: WARN: slow nic=default\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
