// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func valid() Config {
	return Config{Name: "a", RunDir: "/run/a", UID: 65534, GID: 65534, MemoryBytes: 64 << 20}
}

func validNIC() NIC {
	return NIC{Name: "n", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, FDs: []int{0}}
}

func TestConfigRefusals(t *testing.T) {
	disk := func(d Disk) func(*Config) { return func(c *Config) { c.Disks = []Disk{d} } }
	nic := func(change func(*NIC)) func(*Config) {
		return func(c *Config) {
			n := validNIC()
			change(&n)
			c.NICs = []NIC{n}
		}
	}
	for _, tc := range []struct {
		name  string
		field string
		wrong func(*Config)
	}{
		{"no name", "Name", func(c *Config) { c.Name = "" }},
		{"no directory", "RunDir", func(c *Config) { c.RunDir = "" }},
		{"root", "UID", func(c *Config) { c.UID = 0 }},
		{"root's group", "UID", func(c *Config) { c.GID = 0 }},
		{"processor", "CPUModel", func(c *Config) { c.CPUModel = "help" }},
		{"no memory", "MemoryBytes", func(c *Config) { c.MemoryBytes = 0 }},
		{"negative memory", "MemoryBytes", func(c *Config) { c.MemoryBytes = -1 }},
		{"negative cores", "Cores", func(c *Config) { c.Cores = -1 }},
		{"acceleration", "Acceleration", func(c *Config) { c.Acceleration = "xen" }},
		{"no kernel", "Kernel.Image", func(c *Config) { c.Kernel = &Kernel{Initrd: "/initrd"} }},
		{"disk without name", "Disks[0].Name", disk(Disk{Source: EmptyDisk, Bytes: 1})},
		{"disk that leaves its directory", "Disks[0].Name", disk(Disk{Name: "../../etc/x", Source: EmptyDisk, Bytes: 1})},
		{"two disks of a name", "Disks[1].Name", func(c *Config) {
			c.Disks = []Disk{{Name: "d", Source: EmptyDisk, Bytes: 1}, {Name: "d", Source: EmptyDisk, Bytes: 1}}
		}},
		{"bus", "Disks[0].Bus", disk(Disk{Name: "d", Source: EmptyDisk, Bytes: 1, Bus: "ide"})},
		{"virtio CD-ROM", "Disks[0].Bus", disk(Disk{Name: "d", Source: HostDisk, Path: "/x", Bus: "virtio", CDROM: true})},
		{"source", "Disks[0].Source", disk(Disk{Name: "d", Source: "nfs"})},
		{"no path", "Disks[0].Path", disk(Disk{Name: "d", Source: Overlay})},
		{"no size", "Disks[0].Bytes", disk(Disk{Name: "d", Source: EmptyDisk})},
		{"no size to make", "Disks[0].Bytes", disk(Disk{Name: "d", Source: HostDisk, Path: "/x", Create: true})},
		{"negative size", "Disks[0].Bytes", disk(Disk{Name: "d", Source: EmptyDisk, Bytes: -1})},
		{"negative order", "Disks[0].BootOrder", disk(Disk{Name: "d", Source: EmptyDisk, Bytes: 1, BootOrder: -1})},
		{"seed of nothing", "Disks[0].Source", disk(Disk{Name: "d", Source: Seed})},
		{"two seeds", "Disks", func(c *Config) {
			c.CloudInit = &CloudInit{}
			c.Disks = []Disk{{Name: "a", Source: Seed}, {Name: "b", Source: Seed}}
		}},
		{"too many SATA disks", "Disks", func(c *Config) {
			for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
				c.Disks = append(c.Disks, Disk{Name: name, Source: EmptyDisk, Bytes: 1, Bus: "sata"})
			}
		}},
		{"too many devices", "Disks", func(c *Config) {
			c.RNG, c.GuestAgent, c.NICs = true, true, []NIC{validNIC()}
			for i := range 28 {
				c.Disks = append(c.Disks, Disk{Name: fmt.Sprint(i), Source: EmptyDisk, Bytes: 1})
			}
		}},
		{"model", "NICs[0].Model", nic(func(n *NIC) { n.Model = "ne2000" })},
		{"no tap", "NICs[0].FDs", nic(func(n *NIC) { n.FDs = nil })},
		{"fewer taps than queues", "NICs[0].FDs", nic(func(n *NIC) { n.Queues = 2 })},
		{"fewer vhosts than queues", "NICs[0].VHostFDs", nic(func(n *NIC) { n.FDs, n.VHostFDs = []int{0, 1}, []int{2} })},
		{"vhost for e1000", "NICs[0].VHostFDs", nic(func(n *NIC) { n.Model, n.VHostFDs = "e1000", []int{1} })},
		{"queues for e1000", "NICs[0].Queues", nic(func(n *NIC) { n.Model, n.FDs = "e1000", []int{0, 1} })},
		{"no MAC", "NICs[0].MAC", nic(func(n *NIC) { n.MAC = nil })},
		{"multicast MAC", "NICs[0].MAC", nic(func(n *NIC) { n.MAC = net.HardwareAddr{1, 0, 0, 0, 0, 1} })},
		{"MTU", "NICs[0].MTU", nic(func(n *NIC) { n.MTU = 70000 })},
		{"negative order of a NIC", "NICs[0].BootOrder", nic(func(n *NIC) { n.BootOrder = -1 })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := valid()
			tc.wrong(&c)
			_, err := c.complete()
			var problem *ConfigError
			if !errors.As(err, &problem) || problem.Field != tc.field {
				t.Errorf("got %v, want an error about %s", err, tc.field)
			}
		})
	}
}

func TestConfigDefaults(t *testing.T) {
	c := valid()
	c.CloudInit = &CloudInit{}
	c.Disks = []Disk{{Name: "a", Source: EmptyDisk, Bytes: 1}, {Name: "b", Source: HostDisk, Path: "/b", CDROM: true}}
	c.NICs = []NIC{validNIC()}
	given := c.Disks[0]
	got, err := c.complete()
	if err != nil {
		t.Fatal(err)
	}
	want := c
	want.Acceleration, want.Machine, want.Sockets, want.Cores, want.Threads = Auto, "q35", 1, 1, 1
	want.Disks = []Disk{
		{Name: "a", Source: EmptyDisk, Bytes: 1, Bus: "virtio", BootOrder: 1},
		{Name: "b", Source: HostDisk, Path: "/b", Bus: "sata", CDROM: true, ReadOnly: true, BootOrder: 2},
		{Name: "cloudinit", Source: Seed, Bus: "virtio"},
	}
	want.NICs = []NIC{validNIC()}
	want.NICs[0].Model, want.NICs[0].Queues = virtioNet, 1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c.Disks[0] != given {
		t.Error("the caller's disks were changed")
	}
}

func TestBootOrderIsTheCallers(t *testing.T) {
	c := valid()
	c.Disks = []Disk{{Name: "a", Source: EmptyDisk, Bytes: 1}}
	c.NICs = []NIC{validNIC()}
	c.NICs[0].BootOrder = 1
	got, err := c.complete()
	if err != nil || got.Disks[0].BootOrder != 0 {
		t.Errorf("got %+v, %v", got.Disks, err)
	}
}
