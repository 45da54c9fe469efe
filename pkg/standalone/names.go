// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
)

const (
	// NIC is the name of every pod's device, as CNI runtimes call it.
	NIC = "eth0"

	netnsDir = "/run/netns" // where iproute2 looks for named namespaces

	maxID = 100 // keeps names readable, and far below the 255 bytes of a file name
)

// digest stands for a pod where names are too long. No two pods share the input: a namespace has no '/'.
func digest(namespace, name string) [sha256.Size]byte {
	return sha256.Sum256([]byte(namespace + "/" + name))
}

// id names a pod's namespace and files. The dot can't be in a Kubernetes namespace, so that "a-b" and "c"
// don't meet "a" and "b-c".
func id(namespace, name string) string {
	id := "tapir-" + namespace + "." + name
	if len(id) > maxID {
		sum := digest(namespace, name)
		id = id[:maxID-13] + "." + hex.EncodeToString(sum[:6])
	}
	return id
}

func netnsPath(namespace, name string) string {
	return filepath.Join(netnsDir, id(namespace, name))
}

// hostNIC fits the 15 characters of a device name.
func hostNIC(namespace, name string) string {
	sum := digest(namespace, name)
	return "tp" + hex.EncodeToString(sum[:5])
}

// macs are locally administered addresses of the two ends. An address that was chosen, unlike one that the
// kernel drew, is left alone by udev (MACAddressPolicy=persistent), and stays when a VM comes back.
func macs(namespace, name string) (pod, host net.HardwareAddr) {
	sum := digest(namespace, name)
	return append(net.HardwareAddr{0x0a, 0x54}, sum[:4]...), append(net.HardwareAddr{0x0e, 0x54}, sum[:4]...)
}
