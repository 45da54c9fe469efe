// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"net"
	"net/netip"
)

// ipNet is a prefix as package netlink wants it.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// single is the prefix of one address.
func single(address netip.Addr) *net.IPNet {
	return ipNet(netip.PrefixFrom(address, address.BitLen()))
}

// prefix is the inverse of ipNet; invalid for nil.
func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	address, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), bits)
}
