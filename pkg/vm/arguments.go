// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

const virtioNet = "virtio-net-pci"

// arguments is QEMU's command line as it grows, with the files that QEMU inherits.
type arguments struct {
	line  []string
	files []*os.File // files[i] is QEMU's descriptor 3+i
	ports int        // PCI Express ports so far
	pcie  bool       // the machine has PCI Express
}

func (a *arguments) add(args ...string) { a.line = append(a.line, args...) }

// object adds an option whose value is JSON, where nothing in a value can be taken for syntax.
func (a *arguments) object(option string, value map[string]any) {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings, numbers and maps of them: can't be
	}
	a.add(option, string(b))
}

// inherit passes a file to QEMU, and returns its descriptor there.
func (a *arguments) inherit(f *os.File) int {
	a.files = append(a.files, f)
	return 2 + len(a.files)
}

// fdset passes a file to QEMU, and returns a path by which it opens it as it would a file.
func (a *arguments) fdset(f *os.File) string {
	fd := a.inherit(f)
	a.add("-add-fd", fmt.Sprintf("fd=%d,set=%d", fd, fd))
	return fmt.Sprintf("/dev/fdset/%d", fd)
}

// device adds a PCI device. On PCI Express each gets a port of its own, as libvirt does it: so the first NIC is what
// guests call enp1s0, and devices can come and go.
func (a *arguments) device(properties map[string]any) {
	if a.pcie {
		a.ports++
		port := fmt.Sprintf("port%d", a.ports)
		a.object("-device", map[string]any{"driver": "pcie-root-port", "id": port, "chassis": a.ports})
		properties["bus"] = port
	}
	a.object("-device", properties)
}

// machine adds what every VM has.
func (a *arguments) machine(c *Config, acceleration Acceleration) {
	a.pcie = c.Machine == "q35" || strings.HasPrefix(c.Machine, "pc-q35")
	a.add("-nodefaults", "-no-user-config", "-display", "none", "-S",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-name", "guest="+escape(c.Name)+",debug-threads=on",
		"-machine", escape(c.Machine)+",usb=off,vmport=off,dump-guest-core=off,accel="+string(acceleration),
		"-cpu", c.CPUModel,
		"-smp", fmt.Sprintf("%d,sockets=%d,cores=%d,threads=%d", c.Sockets*c.Cores*c.Threads, c.Sockets, c.Cores, c.Threads),
		"-m", fmt.Sprintf("%dk", (c.MemoryBytes+1023)/1024))
	if c.UUID != "" {
		a.add("-uuid", c.UUID)
	}
	if c.SerialNumber != "" {
		a.add("-smbios", "type=1,serial="+escape(c.SerialNumber))
	}
	if c.RNG {
		a.object("-object", map[string]any{"qom-type": "rng-random", "id": "rng0", "filename": "/dev/urandom"})
		a.device(map[string]any{"driver": "virtio-rng-pci", "rng": "rng0"})
	}
}

// socket adds a character device on a listening socket; more are further properties.
func (a *arguments) socket(id string, listener *os.File, more ...string) {
	a.add("-chardev", strings.Join(append([]string{
		fmt.Sprintf("socket,id=%s,fd=%d,server=on,wait=off", id, a.inherit(listener)),
	}, more...), ","))
}

func (a *arguments) monitor(id string, listener *os.File) {
	a.socket(id, listener)
	a.add("-mon", "chardev="+id+",mode=control")
}

func (a *arguments) serial(listener, log *os.File) {
	a.socket("console", listener, "logfile="+a.fdset(log), "logappend=on")
	a.add("-serial", "chardev:console")
}

func (a *arguments) guestAgent(listener *os.File) {
	a.socket("agent", listener)
	a.device(map[string]any{"driver": "virtio-serial-pci", "id": "serial"})
	a.object("-device", map[string]any{
		"driver": "virtserialport", "bus": "serial.0", "chardev": "agent", "id": agentPort, "name": "org.qemu.guest_agent.0",
	})
}

// kernel has QEMU open the files anew, for it knows no descriptors here.
func (a *arguments) kernel(image, initrd *os.File, cmdline string) {
	a.add("-kernel", a.reopen(image))
	if initrd != nil {
		a.add("-initrd", a.reopen(initrd))
	}
	if cmdline != "" {
		a.add("-append", cmdline)
	}
}

func (a *arguments) reopen(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", a.inherit(f)) }

// nic adds NIC i with its tap. Its device has the id nicID(i).
func (a *arguments) nic(i int, n NIC, taps, vhosts []*os.File) {
	backend := fmt.Sprintf("tap,id=net%d,%s", i, a.list("fd", taps))
	if len(vhosts) > 0 {
		backend += ",vhost=on," + a.list("vhostfd", vhosts)
	}
	a.add("-netdev", backend)

	device := map[string]any{"driver": n.Model, "id": nicID(i), "netdev": fmt.Sprintf("net%d", i), "mac": n.MAC.String()}
	if n.BootOrder > 0 {
		device["bootindex"] = n.BootOrder
	} else {
		device["romfile"] = ""
	}
	if n.Model == virtioNet && n.MTU > 0 {
		device["host_mtu"] = n.MTU
	}
	if n.Queues > 1 {
		device["mq"] = true
		device["vectors"] = 2*n.Queues + 2 // a queue has two directions; configuration and control one each
	}
	a.device(device)
}

// list is key=N for one file, and keys=N:M for more.
func (a *arguments) list(key string, files []*os.File) string {
	fds := make([]string, len(files))
	for i, f := range files {
		fds[i] = fmt.Sprint(a.inherit(f))
	}
	if len(fds) > 1 {
		key += "s"
	}
	return key + "=" + strings.Join(fds, ":")
}

func nicID(i int) string { return fmt.Sprintf("nic%d", i) }

// disks adds drives and the controllers that they need.
func (a *arguments) disks(drives []*drive) {
	controllers := map[string]bool{}
	sata := 0
	for i, d := range drives {
		node := a.drive(fmt.Sprintf("disk%d", i), d, d.ReadOnly)
		// A guest whose disk fails is stopped, and not told: most file systems never recover from that.
		device := map[string]any{"id": diskPrefix + d.Name, "drive": node, "werror": "stop", "rerror": "stop"}
		if d.BootOrder > 0 {
			device["bootindex"] = d.BootOrder
		}
		if d.Serial != "" {
			device["serial"] = d.Serial
		}
		kind := "hd"
		if d.CDROM {
			kind = "cd"
		}
		switch d.Bus {
		case "virtio":
			device["driver"] = "virtio-blk-pci"
			a.device(device)
			continue
		case "sata":
			if !controllers[d.Bus] {
				a.object("-device", map[string]any{"driver": "ich9-ahci", "id": "sata"})
			}
			device["driver"], device["bus"] = "ide-"+kind, fmt.Sprintf("sata.%d", sata)
			sata++
		case "scsi":
			if !controllers[d.Bus] {
				a.device(map[string]any{"driver": "virtio-scsi-pci", "id": "scsi"})
			}
			device["driver"], device["bus"] = "scsi-"+kind, "scsi.0"
		}
		controllers[d.Bus] = true
		a.object("-device", device)
	}
}

// drive adds the block nodes of a drive, the base of an overlay first, and returns the name of the uppermost.
func (a *arguments) drive(name string, d *drive, readOnly bool) string {
	protocol := "file"
	if d.device {
		protocol = "host_device"
	}
	node := map[string]any{
		"node-name": name, "driver": string(d.format), "read-only": readOnly,
		"file": map[string]any{"driver": protocol, "filename": a.fdset(d.file), "read-only": readOnly},
	}
	switch {
	case d.base != nil:
		node["backing"] = a.drive(name+"-base", d.base, true)
	case d.format == qcow2:
		node["backing"] = nil // whatever the image says
	}
	a.object("-blockdev", node)
	return name
}

// escape keeps a value whole in QEMU's comma-separated options.
func escape(s string) string { return strings.ReplaceAll(s, ",", ",,") }
