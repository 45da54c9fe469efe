// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"strings"
	"testing"
)

// quotation is a packet that a router or an end complains about, and how much of it the complaint quotes.
type quotation struct {
	kind         kind
	sport, dport int
	length       int // of what follows the IP header; 0: all
}

var quotations = map[string]quotation{
	"UDP":                        {udp, 40000, 53, 0},
	"UDP, no more than there is": {udp, 40000, 53, 8},
	"UDP without checksum":       {udpBare, 40000, 53, 0},
	"TCP":                        {tcpACK, 40000, 80, 0},
	"TCP without its checksum":   {tcpACK, 40000, 80, 8},
	"TCP up to its checksum":     {tcpACK, 40000, 80, 18},
	"echo":                       {echo, 77, 0, 0},
	"GRE":                        {raw(47), 0, 0, 8},
}

func (q quotation) packet(f addressFamily) datagram {
	return packet(q.kind, f.guest, f.remote, q.sport, q.dport)
}

func (q quotation) quote(t testing.TB, d datagram) []byte {
	t.Helper()
	header, raw := 20, d.bytes(t)
	if d.ipv6() {
		header = 40
	}
	if q.length == 0 {
		return raw
	}
	return raw[:header+q.length]
}

// complaints are every ICMP error there is (RFC 792, RFC 4443).
var complaints = map[string]kind{
	"port unreachable":  portUnreachable,
	"host unreachable":  complaint(3, 1, 1, 3, 0),
	"too big":           packetTooBig(1400),
	"TTL exceeded":      ttlExceeded,
	"reassembly failed": complaint(11, 1, 3, 1, 0),
	"parameter problem": complaint(12, 0, 4, 1, 0),
	"source quench":     complaint(4, 0, 1, 0, 0), // IPv4's alone; IPv6: no route
}

// complains makes an ICMP error of whoever says so about a packet.
func (q quotation) complains(t testing.TB, k kind, f addressFamily, about datagram) datagram {
	t.Helper()
	d := packet(k, f.other, f.pod, 0, 0)
	d.data = q.quote(t, about)
	return d
}

// A router outside complains about the guest's packet: the guest gets a quotation of what it sent.
func TestPacketErrorToGuest(t *testing.T) {
	for name, ports := range map[string][]Port{"no ports": nil, "declared ports": declared} {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, f addressFamily) {
				for name, q := range quotations {
					t.Run(name, func(t *testing.T) {
						r := newRig(t, rigConfig{})
						r.set(t, ports, nil)
						sent := q.packet(f)
						r.tapIn(t, sent).toOutside(sent.from(f.pod).hop())
						for _, evicted := range []bool{false, true} {
							if q.sport == 0 && evicted && ports != nil {
								continue // a protocol without ports has no other memory than its flow
							}
							for _, k := range complaints {
								in := q.complains(t, k, f, sent.from(f.pod).lives(9))
								want := q.complains(t, k, f, sent.lives(9)).to(f.guest).hop()
								r.nicIn(t, in).toGuest(want)
							}
							r.evict(t)
						}
					})
				}
			})
		})
	}
}

// The guest complains about what it got: outside is told in the terms that it knows.
func TestPacketErrorFromGuest(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, q := range quotations {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				got := q.packet(f).from(f.remote).to(f.pod)
				r.nicIn(t, got).toGuest(got.to(f.guest).hop())
				for range 2 {
					for _, k := range complaints {
						in := q.complains(t, k, f, got.to(f.guest).lives(9)).from(f.guest).to(f.remote)
						want := q.complains(t, k, f, got.lives(9)).from(f.pod).to(f.remote).hop()
						r.tapIn(t, in).toOutside(want)
					}
					r.evict(t)
				}
			})
		}
	})
}

// Complaints about the pod's packets are the pod's.
func TestPacketErrorToPod(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, q := range quotations {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				sent := q.packet(f).from(f.pod)
				r.nicOut(t, sent).passes()
				r.nicIn(t, q.complains(t, portUnreachable, f, sent)).passes()
				if q.sport == 0 {
					return // after an eviction the guest's
				}
				r.evict(t)
				r.nicIn(t, q.complains(t, portUnreachable, f, sent)).passes()
			})
		}
	})
}

// Complaints about packets of which nothing is known go by the port rules, as the packets' answers would.
func TestPacketErrorByRules(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		q := quotations["UDP"]
		in := q.complains(t, portUnreachable, f, q.packet(f).from(f.pod))
		r := newRig(t, rigConfig{})
		r.nicIn(t, in).toGuest(q.complains(t, portUnreachable, f, q.packet(f)).to(f.guest).hop())
		r.set(t, declared, nil)
		r.nicIn(t, in).passes()
		foreign := q.complains(t, portUnreachable, f, q.packet(f).from(f.remote).to(f.other))
		r.nicIn(t, foreign).passes()
	})
}

// Where a port was changed on the way, the quotation has it changed back.
func TestPacketErrorRemapped(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, q := range quotations {
			if q.sport == 0 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				guests, pods := q.packet(f), q.packet(f).from(f.pod)

				r := newRig(t, rigConfig{})
				opens := guests
				if strings.HasPrefix(name, "TCP") {
					opens = guests.as(tcpSYN)
				}
				r.nicOut(t, opens.from(f.pod)).passes()
				wire := r.guestRemapped(t, f, opens).as(q.kind)
				for range 2 {
					in := q.complains(t, portUnreachable, f, wire.lives(9))
					r.nicIn(t, in).toGuest(q.complains(t, portUnreachable, f, guests.lives(9)).to(f.guest).hop())
					r.nicIn(t, q.complains(t, portUnreachable, f, pods)).passes()
					r.evict(t)
				}
				if name == "echo" {
					guests, wire = guests.as(echoReply), wire.as(echoReply)
				}
				in := q.complains(t, portUnreachable, f, guests.answer().lives(9)).from(f.guest).to(f.remote)
				want := q.complains(t, portUnreachable, f, wire.answer().lives(9)).from(f.pod).to(f.remote).hop()
				r.tapIn(t, in).toOutside(want)

				r, guests, opens = newRig(t, rigConfig{}), q.packet(f), q.packet(f)
				if strings.HasPrefix(name, "TCP") {
					opens = guests.as(tcpSYN)
				}
				r.tapIn(t, opens).toOutside(opens.from(f.pod).hop())
				wire = r.podRemapped(t, opens.from(f.pod)).as(q.kind)
				for range 2 {
					in := q.complains(t, portUnreachable, f, wire.lives(9))
					r.nicIn(t, in).passesAs(q.complains(t, portUnreachable, f, pods.lives(9)))
					r.evict(t)
				}
			})
		}
	})
}

// A later fragment has no ports to be changed, and no checksum.
func TestPacketErrorQuotesFragment(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		sent := packet(udp, f.guest, f.remote, 40000, 53)
		later, onWire := sent.fragments(t, 16)[1], sent.from(f.pod).fragments(t, 16)[1]
		in, want := packet(ttlExceeded, f.other, f.pod, 0, 0), packet(ttlExceeded, f.other, f.guest, 0, 0).hop()
		in.data, want.data = onWire.bytes(t), later.bytes(t)
		r.nicIn(t, in).toGuest(want)
	})
}

// A complaint that has no hop left is dropped without another.
func TestPacketErrorTTL(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		q := quotations["UDP"]
		sent := q.packet(f)
		r := newRig(t, rigConfig{})
		r.nicIn(t, q.complains(t, portUnreachable, f, sent.from(f.pod)).lives(1)).
			isDropped(masqueradeDropReasonDROP_TTL_EXCEEDED)
		got := sent.from(f.remote).to(f.guest)
		r.tapIn(t, q.complains(t, portUnreachable, f, got).from(f.guest).to(f.remote).lives(1)).
			isDropped(masqueradeDropReasonDROP_TTL_EXCEEDED)
	})
}
