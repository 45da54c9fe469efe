// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"testing"
)

// fromProcess is what a pod process writes to loopback, asGateway what the guest gets of it.
func fromProcess(f addressFamily, k kind, sport, dport int) datagram {
	return packet(k, f.loopback, f.loopback, sport, dport)
}

func asGateway(f addressFamily, d datagram) datagram { return d.from(f.gateway).to(f.guest) }

func TestPacketLoopback(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, c := range map[string]struct {
			ask, answer  kind
			sport, dport int
		}{
			"TCP":                  {tcpSYN, tcpSYNACK, 40000, 8080},
			"UDP":                  {udp, udp, 40000, 5353},
			"UDP without checksum": {udpBare, udpBare, 40000, 5353},
			"ping":                 {echo, echoReply, 77, 0},
			"GRE":                  {raw(47), raw(47), 0, 0},
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				ask := fromProcess(f, c.ask, c.sport, c.dport)
				answer := packet(c.answer, f.guest, f.gateway, c.dport, c.sport)
				for range 2 {
					r.loOut(t, ask).toGuest(asGateway(f, ask))
					r.tapIn(t, answer).toLoopback(answer.from(f.loopback).to(f.loopback))
				}
			})
		}
	})
}

// With declared ports the rest stays between pod processes, whichever side of a connection the declared one is on.
func TestPacketLoopbackDeclaredPorts(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		for _, toGuest := range []datagram{
			fromProcess(f, tcpSYN, 40000, 8080), fromProcess(f, tcpACK, 40000, 8080), fromProcess(f, udp, 40000, 5353),
		} {
			r.loOut(t, toGuest).toGuest(asGateway(f, toGuest))
		}
		for _, between := range []datagram{
			fromProcess(f, tcpSYN, 40000, 22), fromProcess(f, tcpSYNACK, 22, 40000), fromProcess(f, echo, 77, 0),
			fromProcess(f, echoReply, 0, 77), fromProcess(f, udp, 40000, 8080), fromProcess(f, raw(47), 0, 0),
			fromProcess(f, tcpSYN, 8080, 22), fromProcess(f, tcpSYNACK, 22, 8080), fromProcess(f, tcpACK, 22, 8080),
		} {
			r.loOut(t, between).passes()
		}
	})
}

// The pod's own address and others on loopback are the stack's.
func TestPacketOnLoopbackPasses(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.loOut(t, packet(tcpSYN, f.pod, f.pod, 40000, 8080)).passes()
		r.loOut(t, packet(tcpSYN, f.gateway, f.gateway, 40000, 8080)).passes()
		r.loOut(t, packet(tcpSYN, f.pod, f.loopback, 40000, 8080)).passes()
	})
}

// What the guest says to the gateway and is no answer to loopback is the stack's, and becomes no flow.
func TestPacketToGatewayIsNotForLoopback(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		for _, in := range []datagram{
			packet(tcpSYN, f.guest, f.gateway, 8080, 40000), packet(tcpACK, f.guest, f.gateway, 8080, 40000),
			packet(udp, f.guest, f.gateway, 5353, 40000), packet(echoReply, f.guest, f.gateway, 0, 77),
		} {
			r.tapIn(t, in).passes()
		}
		ask := fromProcess(f, tcpSYN, 40000, 8080)
		r.loOut(t, ask).toGuest(asGateway(f, ask))
		r.tapIn(t, packet(tcpSYN, f.guest, f.gateway, 8080, 40000)).passes() // opens a connection of its own
		r.tapIn(t, packet(tcpACK, f.guest, f.gateway, 8080, 40001)).passes()
		if flows := r.flowTable(t); len(flows) != 1 {
			t.Errorf("flows %+v, want the loopback connection's alone", flows)
		}
	})
}

// After an eviction the pod's sockets tell which answers belong to loopback.
func TestPacketLoopbackAfterEviction(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for network, k := range map[string]kind{"tcp": tcpACK, "udp": udp} {
			t.Run(network, func(t *testing.T) {
				client, server := connect(t, network, f.loopback, f.loopback)
				answer := packet(k, f.guest, f.gateway, server, client)
				r := newRig(t, rigConfig{})
				r.tapIn(t, answer).toLoopback(answer.from(f.loopback).to(f.loopback))
				ask := fromProcess(f, k, client, server)
				r.loOut(t, ask).toGuest(asGateway(f, ask))
				if flows := r.flowTable(t); len(flows) != 1 {
					t.Errorf("flows %+v, want one for both directions", flows)
				}
				r.evict(t)
				r.set(t, declared, nil)
				r.tapIn(t, answer).passes() // between pod processes: none of the guest's business
				r.set(t, nil, nil)
				r.tapIn(t, packet(k, f.guest, f.gateway, server, client+1)).passes()
				r.tapIn(t, packet(k, f.guest, f.gateway, 9, server)).passes() // a listening socket is no client
			})
		}
	})
}

// Either end complains about what the other sent: it is told in the terms that it knows.
func TestPacketLoopbackErrors(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		ask := fromProcess(f, udp, 40000, 5353)
		r.loOut(t, ask).toGuest(asGateway(f, ask))

		in, want := packet(portUnreachable, f.guest, f.gateway, 0, 0), packet(portUnreachable, f.loopback, f.loopback, 0, 0)
		in.data, want.data = asGateway(f, ask).bytes(t), ask.bytes(t)
		r.tapIn(t, in).toLoopback(want)

		answer := packet(udp, f.guest, f.gateway, 5353, 40000)
		in, want = want, packet(portUnreachable, f.gateway, f.guest, 0, 0)
		in.data, want.data = answer.from(f.loopback).to(f.loopback).bytes(t), answer.bytes(t)
		r.loOut(t, in).toGuest(want)

		in.data = fromProcess(f, udp, 5353, 40001).bytes(t)
		r.loOut(t, in).passes() // about another flow
		in.data = packet(udp, f.pod, f.pod, 5353, 40000).bytes(t)
		r.loOut(t, in).passes() // not about loopback
		in = packet(portUnreachable, f.guest, f.gateway, 0, 0)
		in.data = packet(udp, f.gateway, f.guest, 40001, 5353).bytes(t)
		r.tapIn(t, in).passes()
	})
}

func TestPacketLoopbackFragments(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		ask, answer := fromProcess(f, udp, 40000, 5353), packet(udp, f.guest, f.gateway, 5353, 40000)
		want := asGateway(f, ask).fragments(t, 16)
		for i, piece := range ask.fragments(t, 16) {
			r.loOut(t, piece).toGuest(want[i])
		}
		want = answer.from(f.loopback).to(f.loopback).fragments(t, 16)
		for i, piece := range answer.fragments(t, 16) {
			r.tapIn(t, piece).toLoopback(want[i])
		}
		for _, piece := range fromProcess(f, udp, 40000, 22).numbered(9).fragments(t, 16) {
			r.loOut(t, piece).passes()
		}
	})
}
