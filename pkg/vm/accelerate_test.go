// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/pkg/vm/probe"
)

// PlaceKVM has there be something that OpenKVM can mount over, also where the kernel has no KVM, and returns what undoes that.
func PlaceKVM() (undo func()) {
	if unix.Mknod(kvmDevice, unix.S_IFREG|0o600, 0) != nil { // mostly since it is there; else OpenKVM fails, and tells
		return func() {}
	}
	return func() { _ = os.Remove(kvmDevice) }
}

// OpenKVM puts a /dev/kvm that anyone may open into a mount namespace of the calling thread, which ends with the test.
func OpenKVM(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	node := filepath.Join(t.TempDir(), "kvm")
	for _, err := range []error{
		unix.Unshare(unix.CLONE_NEWNS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 232))),
		os.Chmod(node, 0o666),
	} {
		if err != nil {
			t.Fatalf("make a /dev/kvm (as root?): %v", err)
		}
	}
	if err := unix.Mount(node, kvmDevice, "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount a /dev/kvm: %v", err)
	}
}

func withQEMU(t *testing.T) Config {
	t.Helper()
	c, err := valid().complete()
	if err != nil {
		t.Fatal(err)
	}
	if c.QEMU, err = findQEMU(""); err != nil {
		t.Fatal(err)
	}
	return c
}

// What the payload asks of a processor is what any has: an emulated one gets through.
func TestProbeGetsThroughEmulated(t *testing.T) {
	c := withQEMU(t)
	for _, machine := range []string{"q35", "pc"} {
		for _, model := range []string{"max", "qemu64"} {
			c.Machine = machine
			if problem, err := bootProbe(t.Context(), &c, TCG, model, nil); problem != "" || err != nil {
				t.Errorf("%s, %s: got %q, %v", machine, model, problem, err)
			}
		}
	}
	if problem, err := bootProbe(t.Context(), &c, TCG, "486", nil); problem == "" || err != nil {
		t.Errorf("a 486: got %q, %v", problem, err)
	}
}

func TestAccelerate(t *testing.T) {
	for _, tc := range []struct {
		asked Acceleration
		model string
		want  string // the model
	}{
		{TCG, "", "max"},
		{TCG, "qemu64", "qemu64"},
	} {
		c := withQEMU(t)
		c.Acceleration, c.CPUModel = tc.asked, tc.model
		got, reason, err := accelerate(t.Context(), &c)
		if got != TCG || reason != "" || err != nil || c.CPUModel != tc.want {
			t.Errorf("%v: got %s, %q, %v, model %s", tc, got, reason, err, c.CPUModel)
		}
	}
	c := withQEMU(t)
	c.Acceleration, c.CPUModel = TCG, "host"
	var problem *ConfigError
	if _, _, err := accelerate(t.Context(), &c); !errors.As(err, &problem) {
		t.Errorf("the host's processor, emulated: got %v", err)
	}
}

// A mistyped processor says nothing about KVM.
func TestAccelerateRefusesUnknownProcessors(t *testing.T) {
	OpenKVM(t)
	for _, asked := range []Acceleration{KVM, Auto} {
		c := withQEMU(t)
		if _, err := os.Open(kvmDevice); errors.Is(err, unix.ENODEV) { // no KVM in this kernel: QEMU doesn't come as far as its processor
			c.QEMU = fakeProgram(t, "qemu", "#!/bin/sh\necho \"qemu: unable to find CPU model 'pentium9'\" >&2; exit 1")
		}
		c.Acceleration, c.CPUModel = asked, "pentium9"
		var problem *ConfigError
		if _, _, err := accelerate(t.Context(), &c); !errors.As(err, &problem) || problem.Field != "CPUModel" {
			t.Errorf("%s: got %v", asked, err)
		}
	}
}

func TestWhoMayOpenKVM(t *testing.T) {
	OpenKVM(t)
	if err := kvmOpens(65534, 65534); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(kvmDevice, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := kvmOpens(65534, 65534); err == nil {
		t.Error("anyone may open root's")
	}
	// As distributions have it: QEMU gets the group.
	if err := errors.Join(os.Chown(kvmDevice, 0, 104), os.Chmod(kvmDevice, 0o660)); err != nil {
		t.Fatal(err)
	}
	if err := kvmOpens(65534, 65534); err != nil {
		t.Error(err)
	}
	if g := kvmGroups(); len(g) != 1 || g[0] != 104 {
		t.Errorf("groups %v", g)
	}
	// Root's group is given to nobody.
	if err := os.Chown(kvmDevice, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := kvmOpens(65534, 65534); err == nil || len(kvmGroups()) != 0 {
		t.Errorf("got %v, groups %v", err, kvmGroups())
	}
}

// fakeProgram makes a program of that name which any user may run.
func fakeProgram(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.WriteFile(path, []byte(script), 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// Only what QEMU itself has told lasts: who was short of memory or time for a moment may have KVM the next time.
func TestWhichVerdictsAreRemembered(t *testing.T) {
	for name, tc := range map[string]struct {
		script     string
		works      bool
		remembered bool
	}{
		"passed":        {fmt.Sprintf("#!/bin/sh\nexit %d", probe.Passed), true, true},
		"failed":        {"#!/bin/sh\necho no >&2; exit 1", false, true},
		"aborted":       {"#!/bin/sh\nkill -ABRT $$", false, true},
		"killed":        {"#!/bin/sh\nkill -KILL $$", false, false},
		"hung":          {"#!/bin/sh\nexec sleep 600", false, false},
		"can't be run":  {"neither a script nor a binary", false, false},
		"doesn't exist": {"#!/nowhere", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			OpenKVM(t)
			c := withQEMU(t)
			c.QEMU = fakeProgram(t, "qemu", tc.script)
			file, err := verdictFile(&c, "host")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(file) })
			if err := kvmRuns(t.Context(), &c); (err == nil) != tc.works {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(file); (err == nil) != tc.remembered {
				t.Errorf("the verdict: %v", err)
			}
		})
	}
}

func TestVerdictIsRead(t *testing.T) {
	OpenKVM(t)
	c := withQEMU(t)
	c.QEMU = fakeProgram(t, "qemu", fmt.Sprintf("#!/bin/sh\nexit %d", probe.Passed))
	file, err := verdictFile(&c, "host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
	if err := kvmRuns(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"problem": "remembered"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := kvmRuns(t.Context(), &c); got == nil || got.Error() != "remembered" {
		t.Errorf("got %v", got)
	}
	// A verdict that was cut short is none.
	if err := os.WriteFile(file, []byte(`{"prob`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := kvmRuns(t.Context(), &c); err != nil {
		t.Errorf("got %v", err)
	}
}

// An honest Auto: where it takes KVM, KVM can be asked for, and where it doesn't, that is refused with the reason.
func TestAutoAndKVMAgree(t *testing.T) {
	OpenKVM(t)
	auto, kvm := withQEMU(t), withQEMU(t)
	kvm.Acceleration = KVM
	got, reason, err := accelerate(t.Context(), &auto)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("auto is %s, processor %s: %s", got, auto.CPUModel, reason)
	_, _, err = accelerate(t.Context(), &kvm)
	if (got == KVM) != (err == nil) || err != nil && !errors.Is(err, ErrNoKVM) {
		t.Errorf("auto is %s, but KVM: %v", got, err)
	}
	if (got == KVM) != (reason == "") {
		t.Errorf("%s because of %q", got, reason)
	}
}
