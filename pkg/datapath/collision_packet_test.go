// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// guestRemapped sends a packet whose port the pod has, checks it, and returns it as it looks on the wire.
func (r *rig) guestRemapped(t testing.TB, f addressFamily, d datagram) datagram {
	t.Helper()
	res := r.tapIn(t, d)
	wire := d.from(f.pod).ports(int(sourcePort(res.out, d)), int(d.dport))
	res.toOutside(wire.hop())
	r.checkRemap(t, res, d, wire)
	return wire
}

// podRemapped is the same for a packet of the pod whose port the guest has.
func (r *rig) podRemapped(t testing.TB, d datagram) datagram {
	t.Helper()
	res := r.nicOut(t, d)
	wire := d.ports(int(sourcePort(res.out, d)), int(d.dport))
	res.passesAs(wire)
	r.checkRemap(t, res, d, wire)
	return wire
}

func (r *rig) checkRemap(t testing.TB, res result, d, wire datagram) {
	t.Helper()
	if wire.sport == d.sport || wire.sport < 1024 {
		t.Errorf("port %d became %d, want another from 1024 on", d.sport, wire.sport)
	}
	if res.counters.Remaps != 1 {
		t.Errorf("%d remaps counted, want 1", res.counters.Remaps)
	}
}

// sourcePort reads a port, or the id of a ping, from a frame.
func sourcePort(frame []byte, d datagram) uint16 {
	at := atIP + 20
	if d.ipv6() {
		at = atIP + 40
	}
	if proto, _ := d.kind(d); proto == layers.IPProtocolICMPv4 || proto == layers.IPProtocolICMPv6 {
		at += 4
	}
	return binary.BigEndian.Uint16(frame[at:])
}

// Both want the same port towards the same remote end: who comes second gets another, and each its own answers,
// whatever is evicted in between.
func TestPacketCollision(t *testing.T) {
	for name, ports := range map[string][]Port{"no ports": nil, "declared ports": declared} {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, f addressFamily) {
				for name, c := range map[string]struct {
					open, more, answer kind
					sport, dport       int
				}{
					"TCP":  {tcpSYN, tcpACK, tcpACK, 41000, 80},
					"UDP":  {udp, udp, udp, 41000, 53},
					"ping": {echo, echo, echoReply, 77, 0},
				} {
					t.Run(name, func(t *testing.T) {
						guests, pods := packet(c.open, f.guest, f.remote, c.sport, c.dport), packet(c.open, f.pod, f.remote, c.sport, c.dport)
						direct := pods.answer().as(c.answer)

						r := newRig(t, rigConfig{})
						r.set(t, ports, nil)
						r.tapIn(t, guests).toOutside(guests.from(f.pod).hop())
						wire := r.podRemapped(t, pods)
						for range 2 {
							r.nicIn(t, direct).toGuest(direct.to(f.guest).hop())
							r.nicIn(t, wire.answer().as(c.answer)).passesAs(direct)
							r.nicOut(t, pods.as(c.more)).passesAs(wire.as(c.more))
							r.tapIn(t, guests.as(c.more)).toOutside(guests.as(c.more).from(f.pod).hop())
							r.evict(t)
						}

						r.reset(t)
						r.set(t, ports, guestMAC)
						r.nicOut(t, pods).passes()
						wire = r.guestRemapped(t, f, guests)
						for range 2 {
							r.nicIn(t, direct).passes()
							r.nicIn(t, wire.answer().as(c.answer)).toGuest(direct.to(f.guest).hop())
							r.tapIn(t, guests.as(c.more)).toOutside(wire.as(c.more).hop())
							r.nicOut(t, pods.as(c.more)).passes()
							r.evict(t)
						}
					})
				}
			})
		})
	}
}

// A port that stands for another on the wire is taken for the side that it stands for, too.
func TestPacketCollisionWithOwnRemap(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		guests, pods := packet(udp, f.guest, f.remote, 41000, 53), packet(udp, f.pod, f.remote, 41000, 53)
		r.nicOut(t, pods).passes()
		wire := r.guestRemapped(t, f, guests)
		second := guests.ports(int(wire.sport), 53)
		other := r.guestRemapped(t, f, second)
		for range 2 {
			r.nicIn(t, wire.answer()).toGuest(guests.answer().hop())
			r.nicIn(t, other.answer()).toGuest(second.answer().hop())
			r.tapIn(t, guests).toOutside(wire.hop())
			r.tapIn(t, second).toOutside(other.hop())
			r.evict(t)
		}
	})
}

// Ports are owned towards a remote end: the same port is free towards another.
func TestPacketNoCollision(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, other := range map[string]datagram{
			"another address":  packet(udp, f.pod, f.other, 41000, 53),
			"another port":     packet(udp, f.pod, f.remote, 41000, 54),
			"another protocol": packet(tcpSYN, f.pod, f.remote, 41000, 53),
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				guests := packet(udp, f.guest, f.remote, 41000, 53)
				r.tapIn(t, guests).toOutside(guests.from(f.pod).hop())
				r.nicOut(t, other).passes()
			})
		}
	})
}

// Outside sends a SYN on the very tuple that one side uses: it is that side's to answer. Once that side is forgotten to
// be at work, the port rules give the connection away, and it keeps its port although the other side used it.
func TestPacketCollisionFromOutside(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		pods := packet(tcpSYN, f.pod, f.remote, 8080, 50000)
		open := packet(tcpSYN, f.remote, f.pod, 50000, 8080)
		accept := packet(tcpSYNACK, f.guest, f.remote, 8080, 50000)
		r.nicOut(t, pods).passes()
		r.nicIn(t, open).passes()
		r.evict(t)
		r.nicIn(t, open).toGuest(open.to(f.guest).hop())
		for range 2 {
			r.tapIn(t, accept).toOutside(accept.from(f.pod).hop())
			r.nicIn(t, open.as(tcpACK)).toGuest(open.as(tcpACK).to(f.guest).hop())
			r.evict(t)
		}

		// The same the other way round: the pod's stack has what isn't declared.
		r.reset(t)
		r.set(t, declared, guestMAC)
		guests := packet(tcpSYN, f.guest, f.remote, 22, 50000)
		open = open.ports(50000, 22)
		accept = packet(tcpSYNACK, f.pod, f.remote, 22, 50000)
		r.tapIn(t, guests).toOutside(guests.from(f.pod).hop())
		r.nicIn(t, open).toGuest(open.to(f.guest).hop())
		r.evict(t)
		r.nicIn(t, open).passes()
		r.nicOut(t, accept).passes()
		r.nicIn(t, open.as(tcpACK)).passes()
	})
}
