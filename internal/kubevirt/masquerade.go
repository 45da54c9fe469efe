// SPDX-License-Identifier: Apache-2.0

package kubevirt

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// gatewayMAC is the same on every node.
var gatewayMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0}

// A Port is a port of the guest that its manifest declares.
type Port struct {
	Protocol string // "tcp" or "udp"
	Number   uint16
}

// A Family is the guest's network in one address family.
type Family struct {
	Guest, Gateway netip.Prefix
}

// Masquerade is the masquerade binding.
type Masquerade struct {
	MTU      int // of the pod's NIC, in bytes
	Families []Family
	Ports    []Port // none: every port
	// NoChecksumOffload switches the bridge's transmit checksum offload off, and segmentation offload with
	// it, as KubeVirt did before version 1.8.
	NoChecksumOffload bool
}

// SetUp makes it. It needs nft.
func (m Masquerade) SetUp() error {
	bridge, err := addBridge(m.MTU, gatewayMAC)
	if err != nil {
		return err
	}
	var rules strings.Builder
	for _, f := range m.Families {
		// Duplicate address detection leaves an address unusable for a moment.
		address := &netlink.Addr{IPNet: ipNet(f.Gateway), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(bridge, address); err != nil {
			return fmt.Errorf("adding %s to the bridge: %w", f.Gateway, err)
		}
		if err := f.forward(); err != nil {
			return err
		}
		rules.WriteString(f.rules(m.Ports))
	}
	if m.NoChecksumOffload {
		if err := disableChecksumOffload(); err != nil {
			return fmt.Errorf("switching the bridge's checksum offload off: %w", err)
		}
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bringing the bridge up: %w", err)
	}
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules.String())
	if output, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("loading nftables rules: %w: %s", err, output)
	}
	return nil
}

func (f Family) forward() error {
	if f.Guest.Addr().Is6() {
		return setSysctl("net/ipv6/conf/all/forwarding", "1")
	}
	if err := setSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	return setSysctl("net/ipv4/conf/"+BridgeName+"/route_localnet", "1")
}

func disableChecksumOffload() error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return err
	}
	defer tool.Close()
	return tool.Change(BridgeName, map[string]bool{"tx-checksum-ip-generic": false})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
