// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var (
	guestMAC = net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	nodeMAC  = net.HardwareAddr{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}
	remote4  = netip.MustParseAddr("203.0.113.9")
	remote6  = netip.MustParseAddr("2001:db8::9")
)

// frame builds an Ethernet frame, or a part of one; checksums and lengths are computed.
func frame(t testing.TB, parts ...gopacket.SerializableLayer) []byte {
	t.Helper()
	var network gopacket.NetworkLayer
	for _, part := range parts {
		if n, ok := part.(gopacket.NetworkLayer); ok {
			network = n
		}
		if l, ok := part.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := l.SetNetworkLayerForChecksum(network); err != nil {
				t.Fatal(err)
			}
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...); err != nil {
		t.Fatalf("building a test frame: %v", err)
	}
	return buf.Bytes()
}

func eth(src, dst net.HardwareAddr, etherType layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: src, DstMAC: dst, EthernetType: etherType}
}

// ip makes the IP header of either family.
func ip(src, dst netip.Addr, proto layers.IPProtocol, ttl uint8) gopacket.SerializableLayer {
	if src.Is4() {
		return &layers.IPv4{Version: 4, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), Protocol: proto, TTL: ttl, Id: 0x1234}
	}
	return &layers.IPv6{Version: 6, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), NextHeader: proto, HopLimit: ttl}
}

func etherTypeOf(a netip.Addr) layers.EthernetType {
	if a.Is4() {
		return layers.EthernetTypeIPv4
	}
	return layers.EthernetTypeIPv6
}

// run gives a frame to a program and returns its verdict and the frame as the program left it.
func run(t testing.TB, prog *ebpf.Program, in []byte) (verdict uint32, out []byte) {
	t.Helper()
	v, out := exec(t, prog, in, skbContext{})
	return uint32(v), out
}
