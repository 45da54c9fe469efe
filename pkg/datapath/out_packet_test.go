// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// addressFamily holds what a test needs to be run with IPv4 and with IPv6.
type addressFamily struct {
	guest, gateway, pod, loopback netip.Addr
	neighbour                     netip.Addr // in the guest's private network, nobody's
	remote, other                 netip.Addr // outside
	group, nobody                 netip.Addr
	prefix                        netip.Prefix // the guest's private network
}

func families() map[string]addressFamily {
	a := testAddresses(true, true)
	return map[string]addressFamily{
		"IPv4": {a.Guest4, a.Gateway4, a.Pod4, loopback4, netip.MustParseAddr("10.0.2.77"),
			remote4, netip.MustParseAddr("198.51.100.3"),
			netip.MustParseAddr("224.0.0.251"), netip.IPv4Unspecified(), a.Prefix4},
		"IPv6": {a.Guest6, a.Gateway6, a.Pod6, netip.IPv6Loopback(), netip.MustParseAddr("fd10:0:2::77"),
			remote6, netip.MustParseAddr("2001:db8:1::3"),
			netip.MustParseAddr("ff02::fb"), netip.IPv6Unspecified(), a.Prefix6},
	}
}

func eachFamily(t *testing.T, f func(*testing.T, addressFamily)) {
	for name, family := range families() {
		t.Run(name, func(t *testing.T) { f(t, family) })
	}
}

// packet is one with an odd length, so that checksums end in half a word.
func packet(k kind, src, dst netip.Addr, sport, dport int) datagram {
	return datagram{kind: k, src: src, dst: dst, sport: uint16(sport), dport: uint16(dport), ttl: 64, id: 0x1234,
		label: 0x54321, data: []byte("twenty-one odd bytes!")}
}

func TestPacketFromGuestToOutside(t *testing.T) {
	marked := func(d datagram) datagram { d.tos, d.dontFragment, d.id = 0xb8|1, true, 0xfffe; return d }
	empty := func(d datagram) datagram { d.data = nil; return d }
	eachFamily(t, func(t *testing.T, f addressFamily) {
		from := func(k kind, sport, dport int) datagram { return packet(k, f.guest, f.remote, sport, dport) }
		for name, in := range map[string]datagram{
			"TCP SYN":                    from(tcpSYN, 40000, 80),
			"TCP in mid-connection":      from(tcpACK, 40000, 80),
			"TCP RST":                    from(tcpRST, 40000, 80),
			"UDP":                        from(udp, 40000, 53),
			"UDP without checksum":       from(udpBare, 40000, 53),
			"UDP from port 0":            from(udp, 0, 53),
			"UDP, empty":                 empty(from(udp, 40000, 53)),
			"echo request":               from(echo, 77, 0),
			"echo reply":                 from(echoReply, 0, 77),
			"timestamp":                  from(icmp(13, 0, 128, 0), 77, 0),
			"timestamp reply":            from(icmp(14, 0, 129, 0), 0, 77),
			"GRE":                        from(raw(layers.IPProtocolGRE), 0, 0),
			"SCTP":                       from(raw(layers.IPProtocolSCTP), 0, 0),
			"a protocol without data":    empty(from(raw(253), 0, 0)),
			"traffic class, DF, ID kept": marked(from(tcpACK, 40000, 80)),
			"last hop but one":           from(udp, 40000, 53).lives(2),
			"highest TTL":                from(udp, 40000, 53).lives(255),
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				want := in.from(f.pod).hop()
				r.tapIn(t, in).toOutside(want)
				r.tapIn(t, in).toOutside(want) // now its flow is known
				r.set(t, []Port{{Protocol: "tcp", Port: 1}}, nil)
				r.tapIn(t, in).toOutside(want)
			})
		}
	})
}
