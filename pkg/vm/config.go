// SPDX-License-Identifier: Apache-2.0

package vm

import "net"

// Acceleration says how QEMU runs guest code.
type Acceleration string

const (
	Auto Acceleration = "auto" // KVM where a probe has booted something with it, else TCG
	KVM  Acceleration = "kvm"
	TCG  Acceleration = "tcg"
)

// Config describes one virtual machine.
type Config struct {
	Name         string
	UUID         string
	SerialNumber string // of the system (SMBIOS type 1); "" is none
	RunDir       string // sockets, overlays, seed and logs of this VM; made if missing, QEMU's user can't open it
	QEMU         string // binary; "" finds qemu-system-x86_64 on PATH
	UID, GID     int    // QEMU runs as this unprivileged user; the caller's own, unless that is root
	Acceleration Acceleration
	Machine      string // "" is q35
	CPUModel     string // "" is KVM: host, TCG: max
	Sockets      int    // 0 is 1, as are Cores and Threads
	Cores        int
	Threads      int
	MemoryBytes  int64
	Kernel       *Kernel // nil: the firmware boots a disk
	Disks        []Disk
	NICs         []NIC
	CloudInit    *CloudInit // on the disk with source Seed; without one, on a virtio disk of its own
	RNG          bool
	Serial       bool // serial console on a unix socket in RunDir
	GuestAgent   bool // virtio-serial port for the guest agent
	StartPaused  bool
}

// Kernel is a direct kernel boot. Image and Initrd are files that UID may read; the directories on the way may be closed to it.
type Kernel struct{ Image, Initrd, Cmdline string }

// DiskSource says where a disk's bytes come from.
type DiskSource string

const (
	HostDisk  DiskSource = "hostDisk"  // Path as it is, written to: qcow2 if it is named so, else raw
	EmptyDisk DiskSource = "emptyDisk" // made in RunDir with Bytes, gone with the VM
	Overlay   DiskSource = "overlay"   // a qcow2 in RunDir over a read-only base at Path, raw or qcow2 by its header; Bytes may enlarge it
	Seed      DiskSource = "seed"      // Config.CloudInit
	Files     DiskSource = "files"     // made in RunDir: ISO 9660 with the files in the directory Path, read-only
)

// Disk is one drive of the guest.
type Disk struct {
	Name      string // of letters, digits, '-', '.' and '_'
	Source    DiskSource
	Path      string
	Bytes     int64
	Create    bool   // HostDisk: make it with Bytes when missing (type DiskOrCreate)
	Label     string // Files: of the file system, at most 32 characters
	Bus       string // virtio, sata, scsi
	CDROM     bool
	ReadOnly  bool
	BootOrder int // from 1; 0: none. If no disk and no NIC has one, disks are tried as they are listed
	Serial    string
}

// NIC is one network device. FDs are the tap's queues, opened by the caller with IFF_VNET_HDR;
// VHostFDs are as many of /dev/vhost-net, or none. Start closes neither.
type NIC struct {
	Name      string
	MAC       net.HardwareAddr
	Model     string // virtio ("" too), e1000, e1000e, igb, ne2k_pci, pcnet, rtl8139
	MTU       int    // host_mtu of virtio; 0: not told
	Queues    int    // 0: as many as FDs
	BootOrder int
	LinkDown  bool
	FDs       []int
	VHostFDs  []int
}

// CloudInit is a NoCloud seed. NetworkData is left out if empty; the others aren't, for cloud-init wants both.
type CloudInit struct {
	UserData, NetworkData, MetaData string
}
