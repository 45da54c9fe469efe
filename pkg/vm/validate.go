// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"regexp"
	"slices"
)

// defaultMachine is the type of a machine that names none.
const defaultMachine = "q35"

// minMemory is what SeaBIOS needs to start at all; what a guest needs is its own affair.
const minMemory = 1 << 20

// maxPCIDevices is what is left of the 32 slots of a machine's bus: QEMU's own are on the first and on one more.
const maxPCIDevices = 30

// maxSataDisks is what the AHCI controller has ports for.
const maxSataDisks = 6

var (
	diskName  = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._]{0,62}$`)
	buses     = []string{"virtio", "sata", "scsi"}
	nicModels = map[string]string{ // of KubeVirt, to QEMU's devices
		"": "virtio-net-pci", "virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e", "igb": "igb",
		"ne2k_pci": "ne2k_pci", "pcnet": "pcnet", "rtl8139": "rtl8139",
	}
)

// complete checks c, as far as can be without making anything, and returns it with its defaults.
// Returns a *ConfigError.
func (c Config) complete() (Config, error) {
	switch {
	case c.Name == "":
		return c, configErrorf("Name", "is missing")
	case c.RunDir == "":
		return c, configErrorf("RunDir", "is missing")
	case c.UID <= 0 || c.GID <= 0:
		return c, configErrorf("UID", "QEMU must not run as root: give an unprivileged user and group")
	case os.Geteuid() != 0 && os.Geteuid() != c.UID:
		return c, configErrorf("UID", "only root can run QEMU as another user (%d, not %d)", c.UID, os.Geteuid())
	case c.CPUModel == "help" || c.CPUModel == "?":
		return c, configErrorf("CPUModel", "%q is no cpu.model: QEMU would print a list", c.CPUModel)
	case c.MemoryBytes < minMemory:
		return c, configErrorf("MemoryBytes", "%d bytes of memory: want at least 1 MiB", c.MemoryBytes)
	case c.Sockets < 0 || c.Cores < 0 || c.Threads < 0:
		return c, configErrorf("Cores", "a negative number of processors")
	}
	switch c.Acceleration {
	case "":
		c.Acceleration = Auto
	case Auto, KVM, TCG:
	default:
		return c, configErrorf("Acceleration", "%q is unknown: want auto, kvm or tcg", c.Acceleration)
	}
	if c.Machine == "" {
		c.Machine = defaultMachine
	}
	c.Sockets, c.Cores, c.Threads = max(c.Sockets, 1), max(c.Cores, 1), max(c.Threads, 1)
	if c.Kernel != nil && c.Kernel.Image == "" {
		return c, configErrorf("Kernel.Image", "is missing")
	}
	var err error
	if c.Disks, err = completeDisks(c.Disks, c.CloudInit != nil); err != nil {
		return c, err
	}
	if c.NICs, err = completeNICs(c.NICs); err != nil {
		return c, err
	}
	if n := c.pciDevices(); n > maxPCIDevices {
		return c, configErrorf("Disks", "%d PCI devices, NICs and other devices included, but the machine has room for %d: take bus scsi, whose disks share one", n, maxPCIDevices)
	}
	orderBoot(c.Disks, c.NICs)
	return c, nil
}

// pciDevices counts what arguments adds to the bus.
func (c *Config) pciDevices() int {
	n := len(c.NICs)
	if c.RNG {
		n++
	}
	if c.GuestAgent {
		n++
	}
	controllers := map[string]bool{}
	for _, d := range c.Disks {
		if d.Bus == "virtio" || !controllers[d.Bus] {
			n++
		}
		controllers[d.Bus] = true
	}
	return n
}

func completeDisks(disks []Disk, cloudInit bool) ([]Disk, error) {
	disks = slices.Clone(disks)
	isSeed := func(d Disk) bool { return d.Source == Seed }
	if cloudInit && !slices.ContainsFunc(disks, isSeed) {
		disks = append(disks, Disk{Name: "cloudinit", Source: Seed})
	}
	seen := map[string]bool{}
	sata, seeds := 0, 0
	for i := range disks {
		d := &disks[i]
		field := func(name string) string { return fmt.Sprintf("Disks[%d].%s", i, name) }
		if !diskName.MatchString(d.Name) || seen[d.Name] {
			return nil, configErrorf(field("Name"), "%q: want a name of its own, of at most 63 letters, digits, '-', '.' and '_'", d.Name)
		}
		seen[d.Name] = true
		if d.Bus == "" && d.CDROM {
			d.Bus = "sata"
		} else if d.Bus == "" {
			d.Bus = "virtio"
		}
		switch {
		case !slices.Contains(buses, d.Bus):
			return nil, configErrorf(field("Bus"), "%q is unknown: want virtio, sata or scsi", d.Bus)
		case d.Bus == "virtio" && d.CDROM:
			return nil, configErrorf(field("Bus"), "there is no virtio CD-ROM: want sata or scsi")
		case d.Bytes < 0:
			return nil, configErrorf(field("Bytes"), "%d: a negative size", d.Bytes)
		case d.BootOrder < 0:
			return nil, configErrorf(field("BootOrder"), "%d: the first is 1", d.BootOrder)
		}
		d.ReadOnly = d.ReadOnly || d.CDROM
		if d.Bus == "sata" {
			sata++
		}
		switch d.Source {
		case HostDisk, Overlay, Files:
			if d.Path == "" {
				return nil, configErrorf(field("Path"), "is missing")
			}
			if len(d.Label) > maxLabel {
				return nil, configErrorf(field("Label"), "%q: want at most %d characters", d.Label, maxLabel)
			}
			if d.Create && d.Bytes == 0 {
				return nil, configErrorf(field("Bytes"), "how large is the disk to be made?")
			}
		case EmptyDisk:
			if d.Bytes == 0 {
				return nil, configErrorf(field("Bytes"), "how large is the disk to be made?")
			}
		case Seed:
			seeds++
			if !cloudInit {
				return nil, configErrorf(field("Source"), "a seed, but CloudInit is missing")
			}
		default:
			return nil, configErrorf(field("Source"), "%q is unknown: want hostDisk, emptyDisk, overlay, seed or files", d.Source)
		}
	}
	if sata > maxSataDisks {
		return nil, configErrorf("Disks", "%d on bus sata, which has %d ports: take virtio or scsi", sata, maxSataDisks)
	}
	if seeds > 1 {
		return nil, configErrorf("Disks", "%d seeds: one is enough", seeds)
	}
	return disks, nil
}

func completeNICs(nics []NIC) ([]NIC, error) {
	nics = slices.Clone(nics)
	for i := range nics {
		n := &nics[i]
		field := func(name string) string { return fmt.Sprintf("NICs[%d].%s", i, name) }
		if n.Queues == 0 {
			n.Queues = len(n.FDs)
		}
		device, known := nicModels[n.Model]
		n.Model = device
		switch {
		case !known:
			return nil, configErrorf(field("Model"), "is unknown: want virtio, e1000, e1000e, igb, ne2k_pci, pcnet or rtl8139")
		case len(n.FDs) == 0 || len(n.FDs) != n.Queues:
			return nil, configErrorf(field("FDs"), "%d tap descriptors for %d queues", len(n.FDs), n.Queues)
		case len(n.VHostFDs) != 0 && len(n.VHostFDs) != n.Queues:
			return nil, configErrorf(field("VHostFDs"), "%d vhost descriptors for %d queues", len(n.VHostFDs), n.Queues)
		case n.Queues > 1 && device != virtioNet:
			return nil, configErrorf(field("Queues"), "%d: only virtio has more than one", n.Queues)
		case len(n.VHostFDs) != 0 && device != virtioNet:
			return nil, configErrorf(field("VHostFDs"), "only virtio takes vhost")
		case len(n.MAC) != 6 || n.MAC[0]&1 != 0:
			return nil, configErrorf(field("MAC"), "%q is no unicast Ethernet address", n.MAC)
		case n.MTU != 0 && (n.MTU < 68 || n.MTU > 65535):
			return nil, configErrorf(field("MTU"), "%d: want 68 to 65535", n.MTU)
		case n.BootOrder < 0:
			return nil, configErrorf(field("BootOrder"), "%d: the first is 1", n.BootOrder)
		}
	}
	return nics, nil
}

// orderBoot has disks tried as they are listed if nobody said otherwise.
func orderBoot(disks []Disk, nics []NIC) {
	if slices.ContainsFunc(disks, func(d Disk) bool { return d.BootOrder > 0 }) ||
		slices.ContainsFunc(nics, func(n NIC) bool { return n.BootOrder > 0 }) {
		return
	}
	order := 0
	for i := range disks {
		if disks[i].Source != Seed && disks[i].Source != Files {
			order++
			disks[i].BootOrder = order
		}
	}
}
