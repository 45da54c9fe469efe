// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// declared are the ports of the tests that declare any.
var declared = []Port{{Protocol: "tcp", Port: 8080}, {Protocol: "udp", Port: 5353}}

// Packets of which nothing is known: the port rules say whose they are.
func TestPacketFromOutsideByRules(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, c := range map[string]struct {
			kind         kind
			sport, dport int
			guests       bool // also with declared ports
		}{
			"SYN to a declared port":        {tcpSYN, 50000, 8080, true},
			"SYN to another port":           {tcpSYN, 50000, 8081, false},
			"SYN to a port declared as UDP": {tcpSYN, 50000, 5353, false},
			"ACK to a declared port":        {tcpACK, 50000, 8080, true},
			"ACK to another port":           {tcpACK, 50000, 8081, false},
			"RST to another port":           {tcpRST, 50000, 8081, false},
			"UDP to a declared port":        {udp, 50000, 5353, true},
			"UDP to a port declared as TCP": {udp, 50000, 8080, false},
			"UDP without checksum":          {udpBare, 50000, 5353, true},
			"echo request":                  {echo, 77, 0, false},
			"echo request with id 0":        {echo, 0, 0, false},
			"GRE":                           {raw(layers.IPProtocolGRE), 0, 0, false},
			"SCTP":                          {raw(layers.IPProtocolSCTP), 0, 0, false},
		} {
			t.Run(name, func(t *testing.T) {
				in := packet(c.kind, f.remote, f.pod, c.sport, c.dport)
				r := newRig(t, rigConfig{})
				for range 2 {
					r.nicIn(t, in).toGuest(in.to(f.guest).hop())
				}
				r.reset(t)
				r.set(t, declared, guestMAC)
				for range 2 {
					if c.guests {
						r.nicIn(t, in).toGuest(in.to(f.guest).hop())
					} else {
						r.nicIn(t, in).passes()
					}
				}
			})
		}
	})
}

// Other ports take the place of those that were declared, on whichever bank of the map they come to stand.
func TestPacketFromOutsideByNewRules(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		for i := range 4 {
			port := 100 + i
			r.set(t, []Port{{Protocol: "tcp", Port: uint16(port)}, {Protocol: "udp", Port: 47}}, nil)
			now, before := packet(tcpSYN, f.remote, f.pod, 50000, port), packet(tcpSYN, f.remote, f.pod, 50000, port-1)
			r.nicIn(t, now).toGuest(now.to(f.guest).hop())
			r.nicIn(t, before).passes()
			r.nicIn(t, packet(raw(47), f.remote, f.pod, 0, 0)).passes() // a protocol has no port of its number
		}
	})
}

// An answer to a ping that the guest didn't send is noise, and the pod's stack knows what to do with it.
func TestPacketFromOutsideUnaskedAnswer(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.nicIn(t, packet(echoReply, f.remote, f.pod, 0, 77)).passes()
	})
}

// Answers come back to whoever asked, with and without declared ports, and as well after an eviction.
func TestPacketAnswers(t *testing.T) {
	for name, ports := range map[string][]Port{"no ports": nil, "declared ports": declared} {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, f addressFamily) {
				for name, c := range map[string]struct {
					ask, answer  kind
					sport, dport int
				}{
					"TCP":  {tcpSYN, tcpSYNACK, 40000, 80},
					"UDP":  {udp, udp, 40000, 53},
					"ping": {echo, echoReply, 77, 0},
				} {
					t.Run(name, func(t *testing.T) {
						r := newRig(t, rigConfig{})
						r.set(t, ports, nil)

						ask := packet(c.ask, f.guest, f.remote, c.sport, c.dport)
						answer := packet(c.answer, f.remote, f.pod, c.dport, c.sport)
						r.tapIn(t, ask).toOutside(ask.from(f.pod).hop())
						r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())
						r.evict(t)
						r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())

						ask = packet(c.ask, f.pod, f.other, c.sport, c.dport)
						answer = packet(c.answer, f.other, f.pod, c.dport, c.sport)
						r.nicOut(t, ask).passes()
						r.nicIn(t, answer).passes()
						r.evict(t)
						r.nicIn(t, answer).passes()
						r.nicOut(t, ask).passes()
					})
				}
			})
		})
	}
}

// exchange is how a connection to a declared port begins.
type exchange struct {
	open, accept, more kind
	port               int
}

var exchanges = map[string]exchange{
	"TCP": {tcpSYN, tcpSYNACK, tcpACK, 8080},
	"UDP": {udp, udp, udp, 5353},
}

// The pod's own server on a port that isn't declared keeps its connections.
func TestPacketPodServes(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, e := range exchanges {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.set(t, declared, nil)
				open := packet(e.open, f.remote, f.pod, 50000, 22)
				r.nicIn(t, open).passes()
				r.nicOut(t, open.answer().as(e.accept)).passes()
				r.nicIn(t, open.as(e.more)).passes()
				r.evict(t)
				r.nicIn(t, open.as(e.more)).passes()
				r.nicOut(t, open.answer().as(e.more)).passes()
			})
		}
	})
}

func TestPacketGuestServes(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, e := range exchanges {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.set(t, declared, nil)
				r.guestServes(t, f, e)
				r.reset(t)
				r.set(t, nil, guestMAC)
				e.port = 22
				r.guestServes(t, f, e)
			})
		}
	})
}

func (r *rig) guestServes(t *testing.T, f addressFamily, e exchange) {
	t.Helper()
	open := packet(e.open, f.remote, f.pod, 50000, e.port)
	accept := packet(e.accept, f.guest, f.remote, e.port, 50000)
	r.nicIn(t, open).toGuest(open.to(f.guest).hop())
	r.tapIn(t, accept).toOutside(accept.from(f.pod).hop())
	for range 2 {
		more, answer := open.as(e.more), accept.as(e.more)
		r.nicIn(t, more).toGuest(more.to(f.guest).hop())
		r.tapIn(t, answer).toOutside(answer.from(f.pod).hop())
		r.evict(t)
	}
}

// What isn't for the pod's address, or never leaves a link, is not ours.
func TestPacketFromOutsidePasses(t *testing.T) {
	t.Run("another host's", func(t *testing.T) {
		r := newRig(t, rigConfig{})
		f := families()["IPv4"]
		frame := framed(t, nodeMAC, guestMAC, packet(udp, f.remote, f.pod, 50000, 53))
		r.feed(t, r.TapirNicIn, frame, skbContext{}).passes()
	})
	t.Run("ARP", func(t *testing.T) {
		r := newRig(t, rigConfig{})
		frame := ethernet(nodeMAC, podMAC, layers.EthernetTypeARP, make([]byte, 28))
		r.feed(t, r.TapirNicIn, frame, skbContext{}).passes()
	})
	eachFamily(t, func(t *testing.T, f addressFamily) {
		to := func(k kind) datagram { return packet(k, f.remote, f.pod, 0, 0) }
		for name, in := range map[string]datagram{
			"another address of the pod": packet(udp, f.remote, f.other, 50000, 53),
			"an ICMP message of no use":  to(icmp(5, 0, 140, 0)),
			"from the pod itself":        to(tcpSYN).from(f.pod),
			"from loopback":              to(udp).from(f.loopback),
			"from a group":               to(udp).from(f.group),
			"from nobody":                to(udp).from(f.nobody),
		} {
			t.Run(name, func(t *testing.T) { newRig(t, rigConfig{}).nicIn(t, in).passes() })
		}
	})
	f := families()["IPv6"]
	for name, kind6 := range map[string]uint8{
		"router advertisement": 134, "neighbour solicitation": 135, "neighbour advertisement": 136, "redirect": 137,
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t, rigConfig{}).nicIn(t, packet(icmp6(kind6, 0), f.remote, f.pod, 0, 0).lives(255)).passes()
		})
	}
}

// A pod without addresses of a family has nothing to translate to.
func TestPacketOfAbsentFamily(t *testing.T) {
	for name, c := range map[string]rigConfig{"IPv4": {noIPv4: true}, "IPv6": {noIPv6: true}} {
		t.Run(name, func(t *testing.T) {
			f := families()[name]
			r := newRig(t, c)
			r.nicIn(t, packet(udp, f.remote, f.pod, 50000, 53)).passes()
			r.nicOut(t, packet(udp, f.pod, f.remote, 50000, 53)).passes()
			r.loOut(t, packet(udp, f.loopback, f.loopback, 50000, 53)).passes()
			r.tapIn(t, packet(udp, f.guest, f.remote, 50000, 53)).isDropped(masqueradeDropReasonDROP_NO_FAMILY)
		})
	}
}

// What the program forwards it must not look at again on its way out, whatever it is. So nothing is missed where
// packets leave past the pod NIC's egress.
func TestPacketOfGuestPassesNicOut(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		for _, k := range []kind{tcpSYN, tcpACK, tcpRST, udp, udpBare, echo, echoReply, raw(layers.IPProtocolGRE)} {
			frame := framed(t, podMAC, nodeMAC, packet(k, f.pod, f.remote, 40000, 80))
			r.feed(t, r.TapirNicOut, frame, skbContext{IngressIfindex: rigTap}).passes()
		}
		if flows := r.flowTable(t); len(flows) != 0 {
			t.Errorf("the guest's packet made the pod's flows %+v", flows)
		}
	})
}
