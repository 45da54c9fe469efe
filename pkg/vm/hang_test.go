// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// hang starts a VM whose QEMU answers nothing any more.
func hang(t *testing.T) (*vm.VM, vm.Config) {
	t.Helper()
	c := guest.Config(t)
	c.Kernel = nil
	machine, err := vm.Start(guest.Context(t), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Close() })
	if err := unix.Kill(machine.PID(), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return machine, c
}

func TestShutdownOfAQEMUThatHangs(t *testing.T) {
	t.Parallel()
	machine, _ := hang(t)
	exit, err := machine.Shutdown(guest.Context(t), time.Millisecond)
	if err != nil || exit.Reason != vm.SwitchedOff || !strings.Contains(exit.Detail, "within 1ms") {
		t.Errorf("got %v, %v", exit, err)
	}
}

func TestKillOfAQEMUThatHangs(t *testing.T) {
	t.Parallel()
	machine, c := hang(t)
	if _, err := vm.Open(guest.Context(t), c.RunDir, quiet); !errors.Is(err, vm.ErrBusy) {
		t.Errorf("open: got %v", err)
	}
	if err := vm.Kill(guest.Context(t), c.RunDir); err != nil {
		t.Error(err)
	}
	if exit, err := machine.Wait(guest.Context(t)); err != nil || exit.Reason != vm.Killed {
		t.Errorf("got %v, %v", exit, err)
	}
	if err := vm.Kill(guest.Context(t), c.RunDir); !errors.Is(err, vm.ErrNotRunning) {
		t.Errorf("kill what has ended: got %v", err)
	}
	if err := vm.Remove(c.RunDir); err != nil {
		t.Error(err)
	}
	if err := vm.Kill(guest.Context(t), c.RunDir); !errors.Is(err, vm.ErrNotRunning) {
		t.Errorf("kill what was never there: got %v", err)
	}
}
