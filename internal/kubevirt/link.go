// SPDX-License-Identifier: Apache-2.0

package kubevirt

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/shuttle"
)

// Names that KubeVirt gives.
const (
	BridgeName = "k6t-eth0"
	TapName    = "tap0"
	nicName    = "eth0"
)

// addBridge makes the bridge with the tap in it; a nil mac lets the kernel choose one.
func addBridge(mtu int, mac net.HardwareAddr) (*netlink.Bridge, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = BridgeName, mtu, mac
	bridge := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("adding bridge: %w", err)
	}
	tap, err := shuttle.Make(TapName, mtu)
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetMaster(tap, bridge); err != nil {
		return nil, fmt.Errorf("adding the tap to the bridge: %w", err)
	}
	if err := netlink.LinkSetUp(tap); err != nil {
		return nil, fmt.Errorf("bringing the tap up: %w", err)
	}
	return bridge, nil
}

func setSysctl(path, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0)
}
