// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// replyTo is the ICMP error that answers a packet.
func replyTo(t testing.TB, k kind, from netip.Addr, in datagram) datagram {
	t.Helper()
	quoted := in.bytes(t)
	return datagram{kind: k, src: from, dst: in.src, ttl: 64, data: quoted[:min(len(quoted), 128)]}
}

func TestPacketReplyTTLExceeded(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, k := range map[string]kind{"TCP": tcpSYN, "UDP": udp, "ping": echo, "GRE": raw(47)} {
			for _, length := range []int{0, 1, 20, 21, 86, 87, 88, 500} {
				r := newRig(t, rigConfig{})

				for _, ttl := range []uint8{0, 1} {
					in := packet(k, f.guest, f.remote, 40000, 53).lives(ttl)
					in.data = make([]byte, length)
					r.tapIn(t, in).repliedToGuest(masqueradeDropReasonDROP_TTL_EXCEEDED, replyTo(t, ttlExceeded, f.gateway, in))

					in = in.to(f.pod)
					r.tapIn(t, in).repliedToGuest(masqueradeDropReasonDROP_TTL_EXCEEDED, replyTo(t, ttlExceeded, f.gateway, in))

					in = in.from(f.remote)
					r.nicIn(t, in).repliedOutside(masqueradeDropReasonDROP_TTL_EXCEEDED, replyTo(t, ttlExceeded, f.pod, in))
				}
				if t.Failed() {
					t.Fatalf("%s with %d bytes", name, length)
				}
			}
		}
	})
}

// A packet of the pod's own isn't forwarded: its TTL is nobody's business.
func TestPacketOfPodWithLowTTL(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		r.nicIn(t, packet(tcpSYN, f.remote, f.pod, 50000, 22).lives(1)).passes()
		r.nicOut(t, packet(udp, f.pod, f.remote, 40000, 53).lives(1)).passes()
		r.tapIn(t, packet(udp, f.guest, f.gateway, 40000, 53).lives(1)).passes()
	})
}

// Errors are made at a limited rate; what is over it is dropped in silence.
func TestPacketReplyRate(t *testing.T) {
	const perTick = 64
	f := families()["IPv4"]
	r := newRig(t, rigConfig{})
	in := packet(udp, f.guest, f.remote, 40000, 53).lives(1)
	reply := replyTo(t, ttlExceeded, f.gateway, in)
	for range perTick {
		r.tapIn(t, in).repliedToGuest(masqueradeDropReasonDROP_TTL_EXCEEDED, reply)
	}
	r.tapIn(t, in).isDropped(masqueradeDropReasonDROP_TTL_EXCEEDED)
	r.tapIn(t, sized(in.lives(64), 1501)).isDropped(masqueradeDropReasonDROP_TOO_BIG)
	outside := packet(udp, f.remote, f.pod, 50000, 53).lives(1) // has a rate of its own
	r.nicIn(t, outside).repliedOutside(masqueradeDropReasonDROP_TTL_EXCEEDED, replyTo(t, ttlExceeded, f.pod, outside))
	put(t, r.Bss, 0, make([]byte, r.Bss.ValueSize())) // another tick
	r.tapIn(t, in).repliedToGuest(masqueradeDropReasonDROP_TTL_EXCEEDED, reply)
}

func TestPacketReplyTooBig(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		for _, dontFragment := range []bool{false, true} {
			in := sized(packet(udp, f.guest, f.remote, 40000, 53), 1500)
			in.dontFragment = dontFragment
			r.tapIn(t, in).toOutside(in.from(f.pod).hop())
			in = sized(in, 1501)
			r.tapIn(t, in).repliedToGuest(masqueradeDropReasonDROP_TOO_BIG,
				replyTo(t, packetTooBig(1500), f.gateway, in))

			// From outside more can come where the guest was told less than the pod NIC has.
			in = sized(packet(udp, f.remote, f.pod, 50000, 53), 1500)
			r.nicIn(t, in).toGuest(in.to(f.guest).hop())
			in = sized(in, 1501)
			r.nicIn(t, in).repliedOutside(masqueradeDropReasonDROP_TOO_BIG, replyTo(t, packetTooBig(1500), f.pod, in))
		}
	})
}

// A GSO frame is as big as its segments.
func TestPacketGSO(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		in := packet(tcpACK, f.guest, f.remote, 40000, 80)
		in.data = make([]byte, 3000)
		headers := len(in.bytes(t)) - len(in.data)
		frame := framed(t, guestMAC, GatewayMAC, in)
		feed := func(size int) result {
			return r.feed(t, r.TapirTapIn, frame, skbContext{GSOSize: uint32(size), GSOSegments: 3})
		}
		feed(1500 - headers).toOutside(in.from(f.pod).hop())
		res := feed(1500 - headers + 1)
		res.repliedToGuest(masqueradeDropReasonDROP_TOO_BIG, replyTo(t, packetTooBig(1500), f.gateway, in))
	})
}

// Neither an error nor a later fragment is answered by an error (RFC 1122, 3.2.2).
func TestPacketNoReply(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		long := packet(udp, f.guest, f.remote, 40000, 53)
		long.data = make([]byte, 40)
		first, later := long.lives(1).fragments(t, 24)[0], long.lives(1).fragments(t, 24)[1]
		r.tapIn(t, later).isDropped(masqueradeDropReasonDROP_TTL_EXCEEDED)
		r.tapIn(t, first).repliedToGuest(masqueradeDropReasonDROP_TTL_EXCEEDED,
			replyTo(t, ttlExceeded, f.gateway, first))
		r.nicIn(t, later.from(f.remote).to(f.pod)).isDropped(masqueradeDropReasonDROP_TTL_EXCEEDED)

		complaint := packet(portUnreachable, f.guest, f.remote, 0, 0)
		complaint.data = packet(udp, f.remote, f.guest, 53, 40000).bytes(t)
		r.tapIn(t, complaint.lives(1)).isDropped(masqueradeDropReasonDROP_TTL_EXCEEDED)
		complaint.data = append(complaint.data, make([]byte, 1500)...)
		r.tapIn(t, complaint).isDropped(masqueradeDropReasonDROP_TOO_BIG)

		long.data = make([]byte, 1600)
		r.tapIn(t, long.fragments(t, 8)[1]).toOutside(long.from(f.pod).hop().fragments(t, 8)[1])
		big := long.fragments(t, 8)[1]
		big.data = make([]byte, 1500)
		r.tapIn(t, big).isDropped(masqueradeDropReasonDROP_TOO_BIG)
	})
}

// IPv4 options and IPv6 extension headers are quoted like any other part of the packet.
func TestPacketReplyQuotesOptions(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		in := packet(udp, f.guest, f.remote, 40000, 53).lives(1)
		if in.ipv6() {
			in.extensions = []extension{hopByHop, destinationOpts}
		} else {
			in.options = []layers.IPv4Option{routerAlert}
		}
		r := newRig(t, rigConfig{})
		r.tapIn(t, in).repliedToGuest(masqueradeDropReasonDROP_TTL_EXCEEDED, replyTo(t, ttlExceeded, f.gateway, in))
	})
}
