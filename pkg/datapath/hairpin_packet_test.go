// SPDX-License-Identifier: Apache-2.0

package datapath

import "testing"

// The guest reaches itself by its pod's address: it hears from the pod's address, and answers to it.
func TestPacketHairpin(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, k := range map[string]kind{
			"TCP": tcpSYN, "UDP": udp, "UDP without checksum": udpBare, "ping": echo, "pong": echoReply, "GRE": raw(47),
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				in := packet(k, f.guest, f.pod, 40000, 8080)
				r.tapIn(t, in).toGuest(in.from(f.pod).to(f.guest).hop())
				if keys := r.flowTable(t); len(keys) != 0 {
					t.Errorf("hairpin left flows %+v", keys)
				}
			})
		}
	})
}

// With declared ports the rest is the pod's, answered by its stack over the tap.
func TestPacketHairpinDeclaredPorts(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, c := range map[string]struct {
			kind         kind
			sport, dport int
			guests       bool
		}{
			"to a declared port":         {tcpSYN, 40000, 8080, true},
			"answer of a declared port":  {tcpSYNACK, 8080, 40000, true},
			"UDP to a declared port":     {udp, 40000, 5353, true},
			"UDP from a declared port":   {udp, 5353, 40000, true},
			"to another port":            {tcpSYN, 40000, 22, false},
			"more to another port":       {tcpACK, 40000, 22, false},
			"from declared, new":         {tcpSYN, 8080, 22, false},
			"to a port declared as TCP":  {udp, 40000, 8080, false},
			"ping":                       {echo, 7, 0, false},
			"a protocol without port":    {raw(47), 0, 0, false},
			"a pong that nobody can use": {echoReply, 0, 7, false},
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.set(t, declared, nil)
				in := packet(c.kind, f.guest, f.pod, c.sport, c.dport)
				if c.guests {
					r.tapIn(t, in).toGuest(in.from(f.pod).to(f.guest).hop())
				} else {
					r.tapIn(t, in).passes()
				}
			})
		}
	})
}

// The guest complains about what it sent to itself: the quotation is turned to what the sender knows.
func TestPacketHairpinError(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		sent := packet(udp, f.guest, f.pod, 40000, 9)
		got := sent.from(f.pod).to(f.guest).hop()
		in, want := packet(portUnreachable, f.guest, f.pod, 0, 0), packet(portUnreachable, f.pod, f.guest, 0, 0).hop()
		in.data, want.data = got.bytes(t), sent.hop().bytes(t)
		r.tapIn(t, in).toGuest(want)
		in.data = packet(udp, f.pod, f.other, 40000, 9).bytes(t)
		r.tapIn(t, in).passes() // the stack's: not about a hairpin
	})
}

func TestPacketHairpinFragments(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		in := packet(udp, f.guest, f.pod, 40000, 5353)
		want := in.from(f.pod).to(f.guest).hop().fragments(t, 16)
		for i, piece := range in.fragments(t, 16) {
			r.tapIn(t, piece).toGuest(want[i])
		}
		for _, piece := range in.ports(40000, 22).numbered(7).fragments(t, 16) {
			r.tapIn(t, piece).passes()
		}
	})
}
