// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// stackPackets are what the guest says to the gateway itself, which the pod's stack answers.
func stackPackets(t testing.TB) map[string][]byte {
	a := testAddresses(true, true)
	linkLocal := netip.MustParseAddr("fe80::5054:ff:fe12:3456")
	allNodes, allRouters := netip.MustParseAddr("ff02::1"), netip.MustParseAddr("ff02::2")
	solicited := netip.MustParseAddr("ff02::1:ff00:1")
	group := net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	to := func(mac net.HardwareAddr, d datagram) []byte { return framed(t, guestMAC, mac, d) }
	probe := arpRequest(a)
	probe.SourceProtAddress = make([]byte, 4)
	listener := packet(icmp6(143, 0), linkLocal, netip.MustParseAddr("ff02::16"), 0, 0)
	listener.extensions = []extension{hopByHop}
	detection := packet(icmp6(135, 0), netip.IPv6Unspecified(), solicited, 0, 0)
	return map[string][]byte{
		"ARP request":                 ethernet(guestMAC, broadcastMAC, layers.EthernetTypeARP, frame(t, arpRequest(a))),
		"ARP probe":                   ethernet(guestMAC, broadcastMAC, layers.EthernetTypeARP, frame(t, probe)),
		"DHCP discover":               to(broadcastMAC, packet(udp, netip.IPv4Unspecified(), netip.MustParseAddr("255.255.255.255"), 68, 67)),
		"DHCP renewal":                to(GatewayMAC, packet(udp, a.Guest4, a.Gateway4, 68, 67)),
		"DHCPv6":                      to(group, packet(udp, linkLocal, netip.MustParseAddr("ff02::1:2"), 546, 547)),
		"router solicitation":         to(group, packet(icmp6(133, 0), linkLocal, allRouters, 0, 0)),
		"neighbour solicitation":      to(group, packet(icmp6(135, 0), a.Guest6, solicited, 0, 0)),
		"neighbour advertisement":     to(GatewayMAC, packet(icmp6(136, 0), a.Guest6, a.Gateway6, 0, 0)),
		"duplicate address detection": to(group, detection),
		"listener report":             to(group, listener),
		"to the gateway's link-local": to(GatewayMAC, packet(udp, a.Guest6, GatewayLinkLocal, 40000, 53)),
		"IPv4 multicast":              to(net.HardwareAddr{1, 0, 0x5e, 0, 0, 0xfb}, packet(udp, a.Guest4, netip.MustParseAddr("224.0.0.251"), 5353, 5353)),
		"IPv4 broadcast":              to(broadcastMAC, packet(udp, a.Guest4, netip.MustParseAddr("10.0.2.255"), 40000, 137)),
		"IPv6 multicast":              to(group, packet(udp, a.Guest6, allNodes, 5353, 5353)),
		"ping to the gateway":         to(GatewayMAC, packet(echo, a.Guest4, a.Gateway4, 7, 0)),
		"IPv6 ping to the gateway":    to(GatewayMAC, packet(echo, a.Guest6, a.Gateway6, 7, 0)),
		"connection to the gateway":   to(GatewayMAC, packet(tcpSYN, a.Guest4, a.Gateway4, 40000, 22)),
		"answer to the gateway":       to(GatewayMAC, packet(tcpSYNACK, a.Guest6, a.Gateway6, 22, 40000)),
	}
}

func TestPacketToThePodsStack(t *testing.T) {
	for name, in := range stackPackets(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigConfig{})
			r.feed(t, r.TapirTapIn, in, skbContext{}).passes()
		})
	}
}

// The first packet with an address of the guest's tells its MAC, from then on it has no other.
func TestPacketTellsTheMAC(t *testing.T) {
	outside := make(map[string][]byte)
	for name, f := range families() {
		outside[name+" to outside"] = framed(t, guestMAC, GatewayMAC, packet(udp, f.guest, f.remote, 40000, 53))
	}
	for _, packets := range []map[string][]byte{stackPackets(t), outside} {
		for name, in := range packets {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.reset(t)
				r.feed(t, r.TapirTapIn, bytes.Clone(in), skbContext{})
				if mac := r.guestMAC(t); !bytes.Equal(mac, guestMAC) {
					t.Errorf("learnt %s, want %s", mac, guestMAC)
				}
				copy(in[6:], nodeMAC)
				r.feed(t, r.TapirTapIn, in, skbContext{}).isDropped(masqueradeDropReasonDROP_SPOOFED_MAC)
			})
		}
	}
}

// A guest has one link-local address. Another is believed after a while only, or it could fill the node's tables.
func TestPacketLinkLocalAddress(t *testing.T) {
	const pause = 32 // clock units, LINK_LOCAL_PAUSE in bpf/tap_in.h
	r := newRig(t, rigConfig{})
	solicit := func(from string) datagram {
		return packet(icmp6(133, 0), netip.MustParseAddr(from), netip.MustParseAddr("ff02::2"), 0, 0)
	}
	r.tapIn(t, solicit("fe80::1")).passes()
	r.tapIn(t, solicit("fe80::2")).isDropped(masqueradeDropReasonDROP_SPOOFED_ADDRESS)
	r.tapIn(t, solicit("fe80::1")).passes()
	for _, since := range []uint32{pause - 1, pause} {
		var s masqueradeNicState
		if err := r.State.Lookup(uint32(0), &s); err != nil {
			t.Fatal(err)
		}
		s.LinkLocalSince = rigClock - since
		put(t, r.State, 0, s)
		if res := r.tapIn(t, solicit("fe80::2")); since < pause {
			res.isDropped(masqueradeDropReasonDROP_SPOOFED_ADDRESS)
		} else {
			res.passes()
		}
	}
	r.tapIn(t, solicit("fe80::1")).isDropped(masqueradeDropReasonDROP_SPOOFED_ADDRESS)
}

// What isn't the guest's tells nothing, nor does a MAC that nobody can have.
func TestPacketTellsNoMAC(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, in := range map[string][]byte{
			"spoofed address": framed(t, guestMAC, GatewayMAC, packet(udp, f.other, f.remote, 40000, 53)),
			"LLDP":            ethernet(guestMAC, broadcastMAC, layers.EthernetTypeLinkLayerDiscovery, make([]byte, 46)),
			"no MAC":          framed(t, make(net.HardwareAddr, 6), GatewayMAC, packet(udp, f.guest, f.remote, 40000, 53)),
			"the gateway's":   framed(t, GatewayMAC, GatewayMAC, packet(udp, f.guest, f.remote, 40000, 53)),
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.reset(t)
				res := r.feed(t, r.TapirTapIn, in, skbContext{})
				if res.verdict != verdictDrop {
					t.Error(res.verdict)
				}
				if mac := r.guestMAC(t); mac != nil {
					t.Errorf("learnt %s", mac)
				}
			})
		}
	})
}

// Before the guest has said a word the kernel finds its MAC: the program leaves the frame's alone.
func TestPacketToUnknownMAC(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.reset(t)
		in := packet(tcpSYN, f.remote, f.pod, 50000, 22)
		want := framed(t, nodeMAC, podMAC, in.to(f.guest).hop())
		r.nicIn(t, in).expect(rigTap, want, Counters{Receive: Traffic{1, uint64(len(want))}})
	})
}

func (r *rig) guestMAC(t testing.TB) net.HardwareAddr {
	t.Helper()
	var s masqueradeNicState
	if err := r.State.Lookup(uint32(0), &s); err != nil {
		t.Fatal(err)
	}
	return macOf(s.GuestMac)
}
