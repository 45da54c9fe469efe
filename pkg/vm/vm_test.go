// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// One guest, and what is true of any that runs.
func TestRunningVM(t *testing.T) {
	c := guest.Config(t)
	c.Cores, c.RNG = 2, true
	c.UUID = "6d6a2b58-4a12-4b1c-9c8a-7a2d2c1c9b11"
	// What a careless starter, such as a shell, has open for its children.
	careless, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer careless.Close()
	if err := unix.Dup2(int(careless.Fd()), 300); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(300)
	g := guest.Boot(t, c)

	t.Run("console", func(t *testing.T) {
		if got := g.Run("printf 'a\\nb'; uname -s"); got != "a\nbLinux" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("hardware", func(t *testing.T) {
		if got := g.Run("nproc; cat /sys/class/dmi/id/product_uuid /sys/class/misc/hw_random/rng_current"); got != "2\n"+c.UUID+"\nvirtio_rng.0" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("log", func(t *testing.T) {
		log, err := os.ReadFile(filepath.Join(c.RunDir, "console.log"))
		if err != nil || !strings.Contains(string(log), "TAPIR-GUEST ready") {
			t.Errorf("got %q, %v", log, err)
		}
	})
	t.Run("unprivileged", func(t *testing.T) { unprivileged(t, g.VM.PID()) })
	t.Run("not twice", func(t *testing.T) {
		if _, err := vm.Start(guest.Context(t), c, quiet); !errors.Is(err, vm.ErrRunning) {
			t.Errorf("start: got %v", err)
		}
		if err := vm.Remove(c.RunDir); !errors.Is(err, vm.ErrRunning) {
			t.Errorf("remove: got %v", err)
		}
	})
	t.Run("pause", func(t *testing.T) {
		events := g.VM.Events(guest.Context(t))
		for _, step := range []struct {
			do    error
			event string
			want  string
		}{
			{g.VM.Pause(guest.Context(t)), "STOP", "paused"},
			{g.VM.Pause(guest.Context(t)), "", "paused"},
			{g.VM.Unpause(guest.Context(t)), "RESUME", "running"},
		} {
			if step.do != nil {
				t.Fatal(step.do)
			}
			if step.event != "" {
				if e := <-events; e.Event != step.event {
					t.Errorf("got event %s, want %s", e.Event, step.event)
				}
			}
		}
		if status, err := g.VM.Status(guest.Context(t)); status != "running" || err != nil {
			t.Errorf("got %s, %v", status, err)
		}
		g.Run("true")
	})
}

// Whatever Auto decides on a machine with a /dev/kvm that opens, a kernel boots with it.
func TestAutoBoots(t *testing.T) {
	t.Parallel()
	vm.OpenKVM(t)
	c := guest.Config(t)
	c.Acceleration = vm.Auto
	g := guest.Boot(t, c)
	t.Logf("booted with %s", g.VM.Acceleration())
}

// unprivileged looks at what a QEMU could do if it were taken over.
func unprivileged(t *testing.T, pid int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	user := fmt.Sprintf("%d\t%[1]d\t%[1]d\t%[1]d", guest.User)
	for _, want := range []string{
		"Uid:\t" + user, "Gid:\t" + user, "Groups:\t",
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
		"NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		found := false
		for line := range strings.Lines(string(status)) {
			found = found || strings.TrimRight(line, " \n") == strings.TrimRight(want, " ")
		}
		if !found {
			t.Errorf("want %q in\n%s", want, status)
		}
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil || ours == theirs {
		t.Errorf("QEMU is in our network namespace, %s (%v)", theirs, err)
	}
	descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(descriptors) == 0 {
		t.Fatalf("list QEMU's descriptors: %v", err)
	}
	for _, path := range descriptors {
		if target, _ := os.Readlink(path); target == "/etc/passwd" {
			t.Errorf("QEMU has inherited %s", path)
		}
	}
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("QEMU is in session %d, %v", session, err)
	}
}

func TestGuestPowersOff(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	g := guest.Boot(t, c)
	resets := g.VM.Events(guest.Context(t))
	g.Console.Forget()
	g.Type("reboot -f")
	for e := range resets {
		if e.Event == "RESET" {
			break
		}
	}
	g.Wait("ready")
	g.Type("poweroff -f")
	expectExit(t, g.VM, vm.Exit{Reason: vm.GuestShutdown})

	if _, open := <-g.VM.Events(guest.Context(t)); open {
		t.Error("an event of a VM that has ended")
	}
	if _, err := vm.Open(guest.Context(t), c.RunDir, quiet); !errors.Is(err, vm.ErrNotRunning) {
		t.Errorf("open: got %v", err)
	}
	if _, err := vm.Console(guest.Context(t), c.RunDir); !errors.Is(err, vm.ErrNotRunning) {
		t.Errorf("console: got %v", err)
	}
	if exit, err := g.VM.Shutdown(guest.Context(t), time.Hour); err != nil || exit.Reason != vm.GuestShutdown {
		t.Errorf("shut down what has ended: got %v, %v", exit, err)
	}
	if err := vm.Remove(c.RunDir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.RunDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

func expectExit(t *testing.T, machine *vm.VM, want vm.Exit) {
	t.Helper()
	if got, err := machine.Wait(guest.Context(t)); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	g := guest.Boot(t, guest.Config(t))
	if err := g.VM.Pause(guest.Context(t)); err != nil { // a paused guest hears of it too
		t.Fatal(err)
	}
	exit, err := g.VM.Shutdown(guest.Context(t), guest.Timeout)
	if err != nil || exit != (vm.Exit{Reason: vm.HostRequest}) {
		t.Errorf("got %v, %v", exit, err)
	}
	g.Wait("power-button")
	expectExit(t, g.VM, exit)
}

// A guest without a kernel hears no power button.
func TestShutdownOfADeafGuest(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	c.Kernel = nil
	machine, err := vm.Start(guest.Context(t), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	exit, err := machine.Shutdown(guest.Context(t), time.Millisecond)
	if err != nil || exit.Reason != vm.SwitchedOff || !strings.Contains(exit.Detail, "within 1ms") {
		t.Errorf("got %v, %v", exit, err)
	}
}

func TestKilledFromOutside(t *testing.T) {
	t.Parallel()
	for signal, want := range map[unix.Signal]vm.Reason{unix.SIGKILL: vm.Killed, unix.SIGTERM: vm.Killed, unix.SIGABRT: vm.Failed} {
		c := guest.Config(t)
		c.Kernel = nil
		machine, err := vm.Start(guest.Context(t), c, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer machine.Close()
		if err := unix.Kill(machine.PID(), signal); err != nil {
			t.Fatal(err)
		}
		exit, err := machine.Wait(guest.Context(t))
		if err != nil || exit.Reason != want || exit.Detail == "" {
			t.Errorf("%v: got %v, %v, want %s", signal, exit, err, want)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	c.StartPaused, c.GuestAgent = true, true
	machine, err := vm.Start(guest.Context(t), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	defer machine.Kill(guest.Context(t))
	stages := machine.Progress(guest.Context(t))
	if err := machine.Unpause(guest.Context(t)); err != nil {
		t.Fatal(err)
	}
	conn, err := vm.Console(guest.Context(t), c.RunDir)
	if err != nil {
		t.Fatal(err)
	}
	console := guest.NewConsole(conn)
	defer console.Close()
	for _, want := range []vm.Stage{vm.Started, vm.Speaking} {
		if got := <-stages; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if _, err := console.Wait(guest.Context(t), "ready"); err != nil {
		t.Fatal(err)
	}
	if out, code, err := console.Run(guest.Context(t), "(sleep 600 >$(ls /dev/vport*) &)"); code != 0 || err != nil {
		t.Fatal(out, code, err)
	}
	if got := <-stages; got != vm.Agent {
		t.Errorf("got %q, want %q", got, vm.Agent)
	}
	if _, open := <-stages; open {
		t.Error("a stage after the last")
	}
}

func TestLogsAreCut(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	c.StartPaused = true
	machine, err := vm.Start(guest.Context(t), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	defer machine.Kill(guest.Context(t))
	log := filepath.Join(c.RunDir, "console.log")
	if err := os.Truncate(log, 2<<20); err != nil {
		t.Fatal(err)
	}
	for {
		info, err := os.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
