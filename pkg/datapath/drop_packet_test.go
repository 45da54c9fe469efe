// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// feed gives a program a packet that must go nowhere.
type feed func(*testing.T, *rig, addressFamily) result

type dropCase struct {
	name   string
	feed   feed
	only   string // one family
	config rigConfig
}

// tap and nic feed a packet from the guest or from outside.
func tap(make func(addressFamily) datagram) feed {
	return func(t *testing.T, r *rig, f addressFamily) result { return r.tapIn(t, make(f)) }
}

func nic(make func(addressFamily) datagram) feed {
	return func(t *testing.T, r *rig, f addressFamily) result { return r.nicIn(t, make(f)) }
}

// tapFrame feeds the guest's TCP packet after a change to its frame.
func tapFrame(change func(frame []byte) []byte) feed {
	return func(t *testing.T, r *rig, f addressFamily) result {
		return r.feed(t, r.TapirTapIn, change(framed(t, guestMAC, GatewayMAC, packet(tcpACK, f.guest, f.remote, 40000, 80))), skbContext{})
	}
}

// overwrite changes bytes of a frame from offset on.
func overwrite(offset int, bytes ...byte) func([]byte) []byte {
	return func(frame []byte) []byte { return slices.Replace(frame, offset, offset+len(bytes), bytes...) }
}

// insert puts bytes before those at offset.
func insert(offset int, bytes ...byte) func([]byte) []byte {
	return func(frame []byte) []byte { return slices.Insert(frame, offset, bytes...) }
}

func shorten(length int) func([]byte) []byte {
	return func(frame []byte) []byte { return frame[:length] }
}

// arp feeds a request of the guest after a change to it.
func arp(change func(*layers.ARP)) feed {
	return func(t *testing.T, r *rig, f addressFamily) result {
		request := arpRequest(testAddresses(true, false))
		change(request)
		return r.feed(t, r.TapirTapIn, ethernet(guestMAC, broadcastMAC, layers.EthernetTypeARP, frame(t, request)), skbContext{})
	}
}

var broadcastMAC = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func arpRequest(a *Addresses) *layers.ARP {
	return &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: layers.ARPRequest, SourceHwAddress: guestMAC, SourceProtAddress: a.Guest4.AsSlice(),
		DstHwAddress: make([]byte, 6), DstProtAddress: a.Gateway4.AsSlice(),
	}
}

func dropCases() map[masqueradeDropReason][]dropCase {
	addresses := func(src, dst string) feed {
		return tap(func(addressFamily) datagram {
			return packet(udp, netip.MustParseAddr(src), netip.MustParseAddr(dst), 40000, 53)
		})
	}
	return map[masqueradeDropReason][]dropCase{
		masqueradeDropReasonDROP_ETHERTYPE: {
			{name: "LLDP", feed: tapFrame(overwrite(12, 0x88, 0xcc)), only: "IPv4"},
			{name: "RARP", feed: tapFrame(overwrite(12, 0x80, 0x35)), only: "IPv4"},
			{name: "802.3 length", feed: tapFrame(overwrite(12, 0, 38)), only: "IPv4"},
			{name: "VLAN tag", feed: tapFrame(insert(12, 0x81, 0, 0, 5))},
			{name: "two VLAN tags", feed: tapFrame(insert(12, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6))},
		},
		masqueradeDropReasonDROP_SPOOFED_MAC: {
			{name: "another MAC", feed: tapFrame(overwrite(6, nodeMAC...))},
			{name: "one bit off", feed: tapFrame(overwrite(11, guestMAC[5]^1))},
			{name: "a group's MAC", feed: tapFrame(overwrite(6, 0x53))},
			{name: "in ARP's frame", only: "IPv4", feed: func(t *testing.T, r *rig, f addressFamily) result {
				packet := frame(t, arpRequest(testAddresses(true, false)))
				return r.feed(t, r.TapirTapIn, ethernet(nodeMAC, broadcastMAC, layers.EthernetTypeARP, packet), skbContext{})
			}},
			{name: "a group's MAC, before the guest's is known", feed: func(t *testing.T, r *rig, f addressFamily) result {
				r.reset(t)
				return tapFrame(overwrite(6, 0x53))(t, r, f)
			}},
		},
		masqueradeDropReasonDROP_SPOOFED_ADDRESS: {
			{name: "the pod's", feed: tap(func(f addressFamily) datagram { return packet(udp, f.pod, f.remote, 40000, 53) })},
			{name: "the gateway's", feed: tap(func(f addressFamily) datagram { return packet(udp, f.gateway, f.remote, 40000, 53) })},
			{name: "a neighbour's", feed: tap(func(f addressFamily) datagram { return packet(tcpSYN, f.neighbour, f.remote, 40000, 53) })},
			{name: "an outsider's", feed: tap(func(f addressFamily) datagram { return packet(echo, f.remote, f.other, 1, 0) })},
			{name: "loopback's", feed: tap(func(f addressFamily) datagram { return packet(udp, f.loopback, f.loopback, 40000, 53) })},
			{name: "to the gateway", feed: tap(func(f addressFamily) datagram { return packet(udp, f.remote, f.gateway, 40000, 53) })},
			{name: "none", feed: addresses("0.0.0.0", "203.0.113.9"), only: "IPv4"},
			{name: "none, broadcast to another port than DHCP's", feed: addresses("0.0.0.0", "255.255.255.255"), only: "IPv4"},
			{name: "none", feed: addresses("::", "2001:db8::9"), only: "IPv6"},
			{name: "link-local to outside", feed: addresses("fe80::5054:ff:fe12:3456", "2001:db8::9"), only: "IPv6"},
		},
		masqueradeDropReasonDROP_SPOOFED_ARP: {
			{name: "another's MAC", feed: arp(func(a *layers.ARP) { a.SourceHwAddress = nodeMAC }), only: "IPv4"},
			{name: "the gateway's address", only: "IPv4",
				feed: arp(func(a *layers.ARP) { a.SourceProtAddress = testAddresses(true, false).Gateway4.AsSlice() })},
			{name: "an outsider's address, as answer", only: "IPv4",
				feed: arp(func(a *layers.ARP) { a.Operation, a.SourceProtAddress = layers.ARPReply, remote4.AsSlice() })},
		},
		masqueradeDropReasonDROP_NOT_FOR_GATEWAY: {
			{name: "another MAC", feed: tapFrame(overwrite(0, nodeMAC...))},
			{name: "broadcast", feed: tapFrame(overwrite(0, broadcastMAC...))},
		},
		masqueradeDropReasonDROP_NO_FAMILY: {
			{name: "IPv4", feed: tapFrame(shorten(60)), only: "IPv4", config: rigConfig{noIPv4: true}},
			{name: "ARP", feed: arp(func(*layers.ARP) {}), only: "IPv4", config: rigConfig{noIPv4: true}},
			{name: "IPv6", feed: tapFrame(shorten(60)), only: "IPv6", config: rigConfig{noIPv6: true}},
		},
		masqueradeDropReasonDROP_UNREACHABLE: {
			{name: "a neighbour", feed: tap(func(f addressFamily) datagram { return packet(udp, f.guest, f.neighbour, 40000, 53) })},
			{name: "itself", feed: tap(func(f addressFamily) datagram { return packet(tcpSYN, f.guest, f.guest, 40000, 53) })},
			{name: "loopback", feed: tap(func(f addressFamily) datagram { return packet(udp, f.guest, f.loopback, 40000, 53) })},
			{name: "elsewhere on loopback", feed: addresses("10.0.2.2", "127.255.3.4"), only: "IPv4"},
			{name: "nowhere", feed: addresses("10.0.2.2", "0.0.0.0"), only: "IPv4"},
			{name: "this network", feed: addresses("10.0.2.2", "0.1.2.3"), only: "IPv4"},
			{name: "nowhere", feed: addresses("fd10:0:2::2", "::"), only: "IPv6"},
		},
		masqueradeDropReasonDROP_PRIVATE_ADDRESS: {
			{name: "to the guest", feed: nic(func(f addressFamily) datagram { return packet(udp, f.remote, f.guest, 50000, 53) })},
			{name: "to the gateway", feed: nic(func(f addressFamily) datagram { return packet(tcpSYN, f.remote, f.gateway, 50000, 53) })},
			{name: "to a neighbour", feed: nic(func(f addressFamily) datagram { return packet(echo, f.remote, f.neighbour, 1, 0) })},
			{name: "from the guest", feed: nic(func(f addressFamily) datagram { return packet(udp, f.guest, f.pod, 50000, 53) })},
			{name: "from the gateway", feed: nic(func(f addressFamily) datagram { return packet(tcpSYN, f.gateway, f.pod, 50000, 53) })},
		},
		masqueradeDropReasonDROP_ICMP_TYPE: {
			{name: "redirect", feed: tap(func(f addressFamily) datagram { return packet(icmp4(5, 1), f.guest, f.remote, 0, 0) }), only: "IPv4"},
			{name: "address mask", feed: tap(func(f addressFamily) datagram { return packet(icmp4(17, 0), f.guest, f.remote, 0, 0) }), only: "IPv4"},
			{name: "node information", feed: tap(func(f addressFamily) datagram { return packet(icmp6(139, 0), f.guest, f.remote, 0, 0) }), only: "IPv6"},
			{name: "reserved", feed: tap(func(f addressFamily) datagram { return packet(icmp(200, 0, 200, 0), f.guest, f.remote, 0, 0) })},
		},
		masqueradeDropReasonDROP_NO_FREE_PORT: {
			{name: "guest, all ports are the pod's", feed: func(t *testing.T, r *rig, f addressFamily) result {
				r.nicOut(t, packet(udp, f.pod, f.remote, 40000, 53)).passes()
				r.ownEverything(t, masqueradeSideSIDE_POD)
				return r.tapIn(t, packet(udp, f.guest, f.remote, 40000, 53))
			}},
			{name: "pod, all ports are the guest's", feed: func(t *testing.T, r *rig, f addressFamily) result {
				opens := packet(tcpSYN, f.guest, f.remote, 40000, 53)
				r.tapIn(t, opens).toOutside(opens.from(f.pod).hop())
				r.ownEverything(t, masqueradeSideSIDE_GUEST)
				return r.nicOut(t, packet(tcpSYN, f.pod, f.remote, 40000, 53))
			}},
		},
		masqueradeDropReasonDROP_TTL_EXCEEDED: {
			{name: "from the guest", feed: tap(func(f addressFamily) datagram { return packet(udp, f.guest, f.remote, 40000, 53).lives(1) })},
			{name: "from the guest, 0", feed: tap(func(f addressFamily) datagram { return packet(udp, f.guest, f.remote, 40000, 53).lives(0) })},
			{name: "from the guest to itself", feed: tap(func(f addressFamily) datagram { return packet(udp, f.guest, f.pod, 40000, 53).lives(1) })},
			{name: "from outside", feed: nic(func(f addressFamily) datagram { return packet(udp, f.remote, f.pod, 50000, 53).lives(1) })},
		},
		masqueradeDropReasonDROP_TOO_BIG: {
			{name: "one byte", feed: tap(func(f addressFamily) datagram { return sized(packet(udp, f.guest, f.remote, 40000, 53), 1501) })},
		},
		masqueradeDropReasonDROP_MALFORMED: malformedCases(),
	}
}

// sized fills a packet up to a length.
func sized(d datagram, length int) datagram {
	d.data = nil
	header := 20 + 8
	if d.ipv6() {
		header = 40 + 8
	}
	for i := range length - header {
		d.data = append(d.data, byte(i))
	}
	return d
}

// Each reason has a case, so that none can be added to bpf/drop.h without.
func TestPacketDropReasons(t *testing.T) {
	cases := dropCases()
	for reason := masqueradeDropReasonDROP_NONE + 1; reason < masqueradeDropReasonDROP_REASONS; reason++ {
		t.Run(reasonNames[reason], func(t *testing.T) {
			if len(cases[reason]) == 0 {
				t.Fatalf("no packet is dropped for reason %d", reason)
			}
			for name, f := range families() {
				for _, c := range cases[reason] {
					if c.only != "" && c.only != name {
						continue
					}
					t.Run(name+" "+c.name, func(t *testing.T) {
						res := c.feed(t, newRig(t, c.config), f)
						if reason == masqueradeDropReasonDROP_TTL_EXCEEDED || reason == masqueradeDropReasonDROP_TOO_BIG {
							res.expectDrop(reason) // the sender is told: reply_packet_test.go
							return
						}
						res.isDropped(reason)
					})
				}
			}
		})
	}
}
