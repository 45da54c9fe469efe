// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// words and its inverse hold an address as union addr of bpf/types.h does: in network order, IPv4 in the first word.
func words(a netip.Addr) (w [4]uint32) {
	for i, raw := 0, a.AsSlice(); i < len(raw); i += 4 {
		w[i/4] = binary.NativeEndian.Uint32(raw[i:])
	}
	return w
}

func addrOf(w [4]uint32, ipv6 bool) netip.Addr {
	var raw [16]byte
	for i := range w {
		binary.NativeEndian.PutUint32(raw[4*i:], w[i])
	}
	if ipv6 {
		return netip.AddrFrom16(raw)
	}
	return netip.AddrFrom4([4]byte(raw[:4]))
}

func maskOf(p netip.Prefix) netip.Addr {
	addr, _ := netip.AddrFromSlice(net.CIDRMask(p.Bits(), p.Addr().BitLen()))
	return addr
}

// hostOrder turns a port as it stands in a packet into a number.
func hostOrder(port uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, port))
}

// macWord and macOf convert struct nic_state.guest_mac.
func macWord(mac net.HardwareAddr) uint64 {
	var raw [8]byte
	copy(raw[:6], mac)
	return binary.NativeEndian.Uint64(raw[:])
}

func macOf(word uint64) net.HardwareAddr {
	if word == 0 {
		return nil
	}
	return net.HardwareAddr(binary.NativeEndian.AppendUint64(nil, word)[:6])
}
