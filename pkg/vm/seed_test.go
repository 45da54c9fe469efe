// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"testing"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	c.CloudInit = &vm.CloudInit{
		MetaData:    "instance-id: i-1\nlocal-hostname: \"named\"\n",
		UserData:    "#!/bin/sh\necho from the script of $(hostname)\nexit 7\n",
		NetworkData: "version: 2\n",
	}
	g := guest.Boot(t, c)
	for word, want := range map[string]string{
		"seed":           "i-1",
		"user-data":      "from the script of named",
		"user-data-exit": "7",
	} {
		if got := g.Wait(word); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
	if got := g.Run("cat /seed/network-config; ls -1 /seed"); got != "version: 2\nmeta-data\nnetwork-config\nuser-data" {
		t.Errorf("got %q", got)
	}
	g.Run("! touch /seed/x 2>/dev/null")
}

// The seed on a disk that the manifest asks for, without network data: then there is no file of that name.
func TestSeedOnCDROM(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	c.CloudInit = &vm.CloudInit{MetaData: "instance-id: i-2\n", UserData: "#cloud-config\n"}
	c.Disks = []vm.Disk{{Name: "init", Source: vm.Seed, Bus: "scsi", CDROM: true}}
	g := guest.Boot(t, c)
	if got := g.Wait("seed"); got != "i-2" {
		t.Errorf("got %q", got)
	}
	if got := g.Run("ls -1 /seed; cat /sys/block/sr0/device/type"); got != "meta-data\nuser-data\n5" {
		t.Errorf("got %q", got)
	}
}

// KubeVirt's default bus has no read-only disks. The guest's kernel has no driver for it: that QEMU takes it is all there is to see.
func TestMadeDisksOnSATA(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	c.CloudInit = &vm.CloudInit{MetaData: "instance-id: i-3\n"}
	c.Disks = []vm.Disk{
		{Name: "init", Source: vm.Seed, Bus: "sata"},
		{Name: "files", Source: vm.Files, Bus: "sata", Path: t.TempDir()},
	}
	guest.Boot(t, c)
}
