// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"strings"
	"testing"
)

func TestLastWords(t *testing.T) {
	d := runDir(t.TempDir())
	for log, want := range map[string]string{
		"": "",
		"qemu-system-x86_64: warning: x\nqemu-system-x86_64: -m 0: no memory\n": "-m 0: no memory",
		"/usr/bin/qemu-system-x86_64: a: b":                                     "a: b",
		"plain: words\n\n":                                                      "plain: words",
		"qemu-system-x86_64: unsupported machine type\nUse -machine help to list supported machines\n":                      "unsupported machine type",
		`qemu-system-x86_64: -blockdev {"driver":"raw","file":{"x":"}: "},"node-name":"disk1"}: Failed to get "write" lock`: `-blockdev disk1: Failed to get "write" lock`,
		strings.Repeat("long\n", 10000) + "last\xff":                                                                        "last",
	} {
		if err := os.WriteFile(d.path(qemuLog), []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := d.lastWords(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
