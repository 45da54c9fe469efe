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
	RunDir       string // sockets, overlays and seeds of this VM live here; owned by UID
	QEMU         string // binary; "" finds qemu-system-x86_64 on PATH
	UID, GID     int    // QEMU runs as this unprivileged user
	Acceleration Acceleration
	Machine      string // "" is q35
	CPUModel     string // "" is KVM: host, TCG: max
	Sockets      int
	Cores        int
	Threads      int
	MemoryBytes  int64
	Kernel       *Kernel // nil: the firmware boots a disk
	Disks        []Disk
	NICs         []NIC
	CloudInit    *CloudInit
	RNG          bool
	Serial       bool // serial console on a unix socket in RunDir
	GuestAgent   bool // virtio-serial port for the guest agent
	StartPaused  bool
}

// Kernel is a direct kernel boot.
type Kernel struct{ Image, Initrd, Cmdline string }

// DiskSource says where a disk's bytes come from.
type DiskSource string

const (
	HostDisk  DiskSource = "hostDisk"  // Path as it is, raw or qcow2, written to
	EmptyDisk DiskSource = "emptyDisk" // made in RunDir with Bytes, gone with the VM
	Overlay   DiskSource = "overlay"   // a qcow2 in RunDir over a read-only base at Path
)

// Disk is one drive of the guest.
type Disk struct {
	Name      string
	Source    DiskSource
	Path      string
	Bytes     int64
	Create    bool   // HostDisk: make it with Bytes when missing (type DiskOrCreate)
	Bus       string // virtio, sata, scsi
	CDROM     bool
	ReadOnly  bool
	BootOrder int // 0: none
	Serial    string
}

// NIC is one network device. Files are the tap's queues, opened by the caller with IFF_VNET_HDR;
// VHost are as many /dev/vhost-net descriptors, or none. Start closes neither.
type NIC struct {
	Name      string
	MAC       net.HardwareAddr
	Model     string // virtio, e1000, e1000e, …
	MTU       int    // host_mtu of virtio
	Queues    int
	BootOrder int
	LinkDown  bool
	FDs       []int
	VHostFDs  []int
}

// CloudInit is a NoCloud seed; empty parts are left out.
type CloudInit struct {
	UserData, NetworkData, MetaData string
}
