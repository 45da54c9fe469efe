// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %v: %v: %s", args, err, out)
	}
}

func writeFile(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pattern is so many bytes that begin with text and are zero from there on.
func pattern(text string, bytes int) []byte {
	return append([]byte(text), make([]byte, bytes-len(text))...)
}

// The limit that is checked is that of QEMU, on either kind of machine.
func TestAsManyDevicesAsThereAreSlots(t *testing.T) {
	t.Parallel()
	for _, machine := range []string{"q35", "pc"} {
		c := guest.Config(t)
		c.Kernel, c.Machine, c.RNG, c.GuestAgent = nil, machine, true, true
		disk := func(bus string) {
			c.Disks = append(c.Disks, vm.Disk{Name: fmt.Sprint(len(c.Disks)), Source: vm.EmptyDisk, Bytes: 1 << 20, Bus: bus})
		}
		disk("sata")
		disk("sata")
		disk("scsi")
		disk("scsi")
		for range 26 {
			disk("virtio")
		}
		full, err := vm.Start(guest.Context(t), c, quiet)
		if err != nil {
			t.Fatalf("%s: %v", machine, err)
		}
		defer full.Close()
		if _, err := full.Kill(guest.Context(t)); err != nil {
			t.Error(err)
		}
		disk("virtio")
		var problem *vm.ConfigError
		if _, err := vm.Start(guest.Context(t), c, quiet); !errors.As(err, &problem) {
			t.Errorf("%s: one more: got %v", machine, err)
		}
	}
}

// A guest with a disk of each kind; the files are root's alone, in a directory that is closed to QEMU.
func TestDisks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	path := func(name string) string { return filepath.Join(dir, name) }
	qemuImg(t, "create", "-q", "-f", "qcow2", path("host.qcow2"), "3M")
	rawBase := writeFile(t, path("base.raw"), pattern("raw base", 4*mib))
	qemuImg(t, "convert", "-O", "qcow2", rawBase, path("base.qcow2"))
	qcowBase, err := os.ReadFile(path("base.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	// What a guest could have written into its disk: a header that refers to a file of the host.
	qemuImg(t, "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", path("forged"), "1G")
	forged, err := os.ReadFile(path("forged"))
	if err != nil {
		t.Fatal(err)
	}
	forged = append(forged, make([]byte, mib-len(forged)%mib)...)
	writeFile(t, path("forged.img"), forged)

	c := guest.Config(t)
	c.Disks = []vm.Disk{
		{Name: "made", Source: vm.HostDisk, Path: path("made.img"), Create: true, Bytes: 2 * mib, Serial: "made"},
		{Name: "host", Source: vm.HostDisk, Path: path("host.qcow2"), Serial: "host"},
		{Name: "forged", Source: vm.HostDisk, Path: path("forged.img"), Serial: "forged"},
		{Name: "readonly", Source: vm.HostDisk, Path: writeFile(t, path("readonly"), pattern("read-only", mib)), ReadOnly: true, Serial: "readonly"},
		{Name: "empty", Source: vm.EmptyDisk, Bytes: 5 * mib, Serial: "empty"},
		{Name: "over-raw", Source: vm.Overlay, Path: rawBase, Serial: "over-raw"},
		{Name: "over-qcow2", Source: vm.Overlay, Path: path("base.qcow2"), Bytes: 8 * mib, Serial: "over-qcow2"},
		{Name: "scsi", Source: vm.EmptyDisk, Bytes: 6 * mib, Bus: "scsi", Serial: "scsi"},
		{Name: "cd", Source: vm.HostDisk, Path: writeFile(t, path("cd"), pattern("compact", mib)), Bus: "scsi", CDROM: true},
		{Name: "sata", Source: vm.EmptyDisk, Bytes: mib, Bus: "sata", Serial: "sata"},
		{Name: "sata-cd", Source: vm.HostDisk, Path: path("cd"), CDROM: true},
	}
	g := guest.Boot(t, c)

	for i, want := range map[int]struct {
		bytes int
		start string
	}{
		0: {2 * mib, ""}, 1: {3 * mib, ""}, 2: {len(forged), "QFI"}, 3: {mib, "read-only"}, 4: {5 * mib, ""},
		5: {4 * mib, "raw base"}, 6: {8 * mib, "raw base"},
	} {
		name, dev := c.Disks[i].Name, "vd"+string(rune('a'+i))
		got := strings.Fields(g.Run("cat /sys/block/%s/serial; echo; blockdev --getsize64 /dev/%[1]s; head -c 3 /dev/%[1]s | tr -d '\\0'", dev))
		if got[0] != name[:min(len(name), 20)] || got[1] != strconv.Itoa(want.bytes) || (want.start != "") != (len(got) == 3) ||
			len(got) == 3 && !strings.HasPrefix(want.start, got[2]) {
			t.Errorf("disk %s: got %q, want %+v", name, got, want)
		}
	}
	if got := g.Run("blockdev --getsize64 /dev/sda; blockdev --getsize64 /dev/sr0; head -c 7 /dev/sr0"); got != strconv.Itoa(6*mib)+"\n"+strconv.Itoa(mib)+"\ncompact" {
		t.Errorf("SCSI: got %q", got)
	}
	// The guest's kernel has no AHCI driver: QEMU must tell.
	out, err := g.VM.Monitor().Run([]byte(`{"execute": "query-block"}`))
	for _, id := range []string{"disk-sata", "disk-sata-cd"} {
		if err != nil || !bytes.Contains(out, []byte(`/`+id+`"`)) && !bytes.Contains(out, []byte(`"`+id+`"`)) {
			t.Errorf("%s is missing in %s, %v", id, out, err)
		}
	}

	for _, dev := range []string{"vda", "vdb", "vdf", "vdg"} {
		g.Run("echo changed | dd of=/dev/%s bs=512 conv=sync,fsync 2>/dev/null", dev)
	}
	g.Run("! echo changed 2>/dev/null >/dev/vdd")
	if _, err := g.VM.Shutdown(guest.Context(t), guest.Timeout); err != nil {
		t.Fatal(err)
	}

	info, err := os.Stat(path("made.img"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 || info.Mode() != 0o600 {
		t.Errorf("the disk that was made: owner %d, mode %s, want ours alone", owner, info.Mode())
	}
	for name, want := range map[string][]byte{
		"made.img":   pattern("changed\n", 2*mib),
		"base.raw":   pattern("raw base", 4*mib),
		"base.qcow2": qcowBase,
		"readonly":   pattern("read-only", mib),
		"forged.img": forged,
	} {
		if got, err := os.ReadFile(path(name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: not as it should be (%v)", name, err)
		}
	}
	qemuImg(t, "convert", "-O", "raw", path("host.qcow2"), path("host.raw"))
	if got, err := os.ReadFile(path("host.raw")); err != nil || !bytes.Equal(got, pattern("changed\n", 3*mib)) {
		t.Errorf("host.qcow2: not as it should be (%v)", err)
	}
	if err := vm.Remove(c.RunDir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.RunDir); err == nil {
		t.Error("disks are left")
	}
}
