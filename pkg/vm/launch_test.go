// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/pkg/vm/probe"
)

// inheritable opens a descriptor of that number that any child gets, as a shell's redirection would.
func inheritable(t *testing.T, number int) {
	t.Helper()
	f, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Dup2(int(f.Fd()), number); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(number) })
}

// Neither a descriptor nor a variable of ours gets to QEMU or its tools.
func TestNothingIsInherited(t *testing.T) {
	t.Setenv("TAPIR_TEST_SECRET", "secret")
	inheritable(t, 200)
	c := withQEMU(t)

	c.QEMU = fakeProgram(t, "qemu", fmt.Sprintf(
		`#!/bin/sh
		[ -z "$TAPIR_TEST_SECRET" ] && [ -e /proc/$$/fd/3 ] && [ ! -e /proc/$$/fd/4 ] && [ ! -e /proc/$$/fd/200 ] && exit %d
		ls -l /proc/$$/fd >&2; exit 1`, probe.Passed))
	if problem, err := bootProbe(t.Context(), &c, TCG, "max", nil); problem != "" || err != nil {
		t.Errorf("probe: got %q, %v", problem, err)
	}

	t.Setenv("PATH", filepath.Dir(fakeProgram(t, "qemu-img", `#!/bin/sh
		[ -z "$TAPIR_TEST_SECRET" ]`)))
	if err := formatQcow2(t.Context(), "/nowhere", 1); err != nil {
		t.Errorf("qemu-img: %v", err)
	}
}
