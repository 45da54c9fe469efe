// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

var quiet = slog.New(slog.DiscardHandler)

// Each refusal is one line that says what to mend, and leaves neither a process nor a file.
func TestStartRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	backed := filepath.Join(dir, "backed.qcow2")
	base := file("base.raw", make([]byte, 1<<20), 0o644)
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, backed).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	hostDisk := func(path string) func(*vm.Config) {
		return func(c *vm.Config) { c.Disks = []vm.Disk{{Name: "d", Source: vm.HostDisk, Path: path}} }
	}
	made := filepath.Join(dir, "made.img")

	for name, tc := range map[string]struct {
		wrong func(*vm.Config)
		is    error
		says  string
	}{
		"no QEMU":             {func(c *vm.Config) { c.QEMU = "qemu-system-pdp11" }, vm.ErrNoQEMU, "apt-get install"},
		"not QEMU":            {func(c *vm.Config) { c.QEMU = "false" }, nil, "QEMU: exit status 1"},
		"no kernel":           {func(c *vm.Config) { c.Kernel.Image = "/nowhere" }, fs.ErrNotExist, "/nowhere"},
		"kernel of root":      {func(c *vm.Config) { c.Kernel.Image = file("kernel", []byte("x"), 0o600) }, nil, "chmod a+r"},
		"kernel is no file":   {func(c *vm.Config) { c.Kernel.Image = dir }, nil, "no file"},
		"kernel is nonsense":  {func(c *vm.Config) { c.Kernel.Image = base }, nil, "QEMU: "},
		"no initrd":           {func(c *vm.Config) { c.Kernel.Initrd = "/nowhere" }, fs.ErrNotExist, "/nowhere"},
		"no disk":             {hostDisk("/nowhere/disk"), fs.ErrNotExist, "disk d: open /nowhere/disk"},
		"disk is a FIFO":      {hostDisk(fifo), nil, "neither a file nor a block device"},
		"disk is a device":    {hostDisk("/dev/null"), nil, "neither a file nor a block device"},
		"disk is a directory": {hostDisk(dir), unix.EISDIR, dir},
		"disk is empty":       {hostDisk(file("empty", nil, 0o644)), nil, "empty"},
		"disk has a base":     {hostDisk(backed), nil, "qemu-img convert"},
		"base has a base": {func(c *vm.Config) {
			c.Disks = []vm.Disk{{Name: "d", Source: vm.Overlay, Path: backed}}
		}, nil, "qemu-img convert"},
		"second disk fails": {func(c *vm.Config) {
			c.Disks = []vm.Disk{
				{Name: "made", Source: vm.HostDisk, Path: made, Create: true, Bytes: 1 << 20},
				{Name: "empty", Source: vm.EmptyDisk, Bytes: 1 << 20},
				{Name: "d", Source: vm.HostDisk, Path: "/nowhere"},
			}
		}, fs.ErrNotExist, "/nowhere"},
		"QEMU fails over all disks": {func(c *vm.Config) {
			c.Disks = []vm.Disk{{Name: "made", Source: vm.HostDisk, Path: made, Create: true, Bytes: 1 << 20}}
			c.Machine = "quantum"
		}, nil, "QEMU: unsupported machine type"},
		"two with one disk": {func(c *vm.Config) {
			c.Disks = []vm.Disk{{Name: "a", Source: vm.HostDisk, Path: base}, {Name: "b", Source: vm.HostDisk, Path: base}}
		}, nil, `QEMU: -device disk-b: Failed to get "write" lock`},
		"processor": {func(c *vm.Config) { c.CPUModel = "pentium9" }, nil, `"pentium9" is no cpu.model`},
		"UUID":      {func(c *vm.Config) { c.UUID = "1" }, nil, "QEMU: "},
		"tap": {func(c *vm.Config) {
			c.NICs = []vm.NIC{{Name: "n", MAC: []byte{2, 0, 0, 0, 0, 1}, FDs: []int{9999}}}
		}, unix.EBADF, "NIC n"},
		"not a tap": {func(c *vm.Config) {
			c.NICs = []vm.NIC{{Name: "n", MAC: []byte{2, 0, 0, 0, 0, 1}, FDs: []int{0}}}
		}, nil, "QEMU: "},
	} {
		t.Run(name, func(t *testing.T) {
			c := guest.Config(t)
			tc.wrong(&c)
			machine, err := vm.Start(guest.Context(t), c, quiet)
			if err == nil {
				machine.Kill(guest.Context(t))
				t.Fatal("it started")
			}
			if tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line that says %q", err, tc.says)
			}
			for _, path := range []string{c.RunDir, made} {
				if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", path, err)
				}
			}
			if left := children(t); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	c := guest.Config(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := vm.Start(ctx, c, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// children lists the processes that we have started and that weren't waited for.
func children(t *testing.T) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		var state string
		var parent int
		text := string(b)
		fmt.Sscan(text[strings.LastIndex(text, ")")+1:], &state, &parent)
		if parent == os.Getpid() {
			found = append(found, text)
		}
	}
	return found
}
