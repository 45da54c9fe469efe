// SPDX-License-Identifier: Apache-2.0

package handover

import "path/filepath"

// The user that everything in a launcher pod runs as: KubeVirt's qemu.
const (
	UID = 107
	GID = 107
)

// The launcher container, and what the pod's other containers are called.
const (
	Container       = "compute"
	HelperContainer = "helper"     // an init container of the launcher's image: puts the copying helper in place
	DiskContainer   = "disk-"      // + volume: an init container of the disk's image: copies the disk
	SocketsVolume   = "sockets"    // emptyDir; the agent finds it through the kubelet's directory of the pod
	PrivateVolume   = "private"    // emptyDir; the machine's run directory
	DisksVolume     = "disks"      // emptyDir; copied container disks
	HelperVolume    = "helper-bin" // emptyDir; the copying helper
)

// Directories in the launcher pod.
const (
	SocketsDir = "/run/tapir"
	PrivateDir = "/var/lib/tapir/vm"
	DisksDir   = "/var/lib/tapir/disks" // + volume/disk.img
	HelperDir  = "/tapir-bin"
	// VolumesDir + volume/disk.img is the disk in a file system volume.
	VolumesDir = "/var/lib/tapir/volumes"
	// BlockDir + volume is a block volume's device.
	BlockDir = "/dev/tapir"
	// ConfigDir + volume holds the files of a configMap, a secret, or a cloudInitNoCloud's secretRef.
	ConfigDir = "/var/lib/tapir/config"
)

// Sockets in SocketsDir.
const (
	HandoverSocket = "handover.sock" // SOCK_SEQPACKET
	APISocket      = "api.sock"      // HTTP
)

// ContainerDisk is where the copy of a containerDisk volume's image lies.
func ContainerDisk(volume string) string { return filepath.Join(DisksDir, volume, "disk.img") }

// VolumeDisk is where the disk of a file system volume lies.
func VolumeDisk(volume string) string { return filepath.Join(VolumesDir, volume, "disk.img") }

// BlockDevice is where the device of a block volume lies.
func BlockDevice(volume string) string { return filepath.Join(BlockDir, volume) }

// Config is where the files of a volume of configuration lie.
func Config(volume string) string { return filepath.Join(ConfigDir, volume) }
