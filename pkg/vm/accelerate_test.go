// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

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
			if err := bootProbe(t.Context(), c.QEMU, machine, string(TCG), model, credential(&c, nil)); err != nil {
				t.Errorf("%s, %s: %v", machine, model, err)
			}
		}
	}
	if err := bootProbe(t.Context(), c.QEMU, "q35", string(TCG), "486", credential(&c, nil)); err == nil {
		t.Error("a 486 got through")
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

func TestVerdictIsRemembered(t *testing.T) {
	OpenKVM(t)
	c := withQEMU(t)
	c.Machine, c.CPUModel = "pc", "host" // which no other test takes: we tamper with the verdict
	file, err := verdictFile(&c, c.CPUModel)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(file)
	t.Cleanup(func() { os.Remove(file) })
	first := kvmRuns(t.Context(), &c)
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	if second := kvmRuns(t.Context(), &c); (first == nil) != (second == nil) {
		t.Errorf("first %v, then %v", first, second)
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
	if again := kvmRuns(t.Context(), &c); (first == nil) != (again == nil) {
		t.Errorf("first %v, then %v", first, again)
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
