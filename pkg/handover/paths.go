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
	HelperContainer = "helper"     // an init container of the launcher's image: runs HelperCommand
	DiskContainer   = "disk-"      // + volume: an init container of the disk's image: runs DiskCommand
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

// The programs of the launcher's image.
const (
	Launcher = "/usr/bin/tapir-launcher"
	Helper   = "/usr/bin/tapir-disk" // static, so that it runs in any image
)

// HelperCommand puts the copying helper where the disks' own images find it: into HelperDir.
func HelperCommand() []string { return []string{Helper, "install", HelperDir} }

// DiskCommand copies the disk of an image, in a container of that image, to where the launcher finds it. path is that of
// containerDisk.path; "" looks for the one disk under /disk.
func DiskCommand(volume, path string) []string {
	command := []string{filepath.Join(HelperDir, filepath.Base(Helper)), "copy", ContainerDisk(volume)}
	if path != "" {
		command = append(command, path)
	}
	return command
}

// LauncherCommand is the launcher container's. Acceleration is "auto" (KVM where it runs guests, else
// emulation), "kvm" or "tcg".
func LauncherCommand(acceleration string) []string {
	return []string{Launcher, "--acceleration", acceleration}
}

// PingCommand is what an exec probe runs for guestAgentPing.
func PingCommand() []string { return []string{Launcher, "ping"} }

// ExecCommand is what an exec probe runs to run a command in the guest, by its agent.
func ExecCommand(command []string) []string {
	return append([]string{Launcher, "exec", "--"}, command...)
}
