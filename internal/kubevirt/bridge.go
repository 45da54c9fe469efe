// SPDX-License-Identifier: Apache-2.0

package kubevirt

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Bridge is the bridge binding on the pod network: the guest takes over the pod NIC's address and MAC.
type Bridge struct {
	MTU int // of the pod's NIC, in bytes
}

// dhcpServer is the bridge's address, from which KubeVirt answers the guest of a pod's first NIC.
var dhcpServer = netip.MustParsePrefix("169.254.75.10/32")

// SetUp makes it. The dummy device that keeps the pod NIC's name for the CNI plugin is left out: it is
// down and sees no packet.
func (b Bridge) SetUp() error {
	nic, err := netlink.LinkByName(nicName)
	if err != nil {
		return fmt.Errorf("finding %s: %w", nicName, err)
	}
	bridge, err := addBridge(b.MTU, nil)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(bridge, &netlink.Addr{IPNet: ipNet(dhcpServer)}); err != nil {
		return fmt.Errorf("adding %s to the bridge: %w", dhcpServer, err)
	}
	if err := takeOver(nic, bridge); err != nil {
		return fmt.Errorf("moving %s into the bridge: %w", nicName, err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bringing the bridge up: %w", err)
	}
	return setSysctl("net/ipv4/conf/all/arp_ignore", "1")
}

// takeOver makes the pod's NIC a port without address, with the bridge's MAC and without learning.
func takeOver(nic netlink.Link, bridge *netlink.Bridge) error {
	addresses, err := netlink.AddrList(nic, unix.AF_INET)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if err := netlink.AddrDel(nic, &a); err != nil {
			return err
		}
	}
	made, err := netlink.LinkByName(BridgeName) // with the MAC that the kernel chose
	if err != nil {
		return err
	}
	return errors.Join(
		netlink.LinkSetDown(nic),
		netlink.LinkSetName(nic, nicName+"-nic"),
		netlink.LinkSetHardwareAddr(nic, made.Attrs().HardwareAddr),
		netlink.LinkSetMaster(nic, bridge),
		netlink.LinkSetLearning(nic, false),
		netlink.LinkSetUp(nic))
}
