// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"math/bits"
	"testing"
)

// How long a side keeps a port that it used: through the next epoch, and no longer than the one after.
func TestPacketOwnershipAges(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, c := range map[string]struct {
			ask, answer  kind
			sport, dport int
		}{
			"TCP":  {tcpACK, tcpACK, 40000, 80},
			"UDP":  {udp, udp, 40000, 53},
			"ping": {echo, echoReply, 77, 0},
		} {
			t.Run(name, func(t *testing.T) {
				guests := packet(c.ask, f.guest, f.remote, c.sport, c.dport)
				pods := guests.from(f.pod)
				answer := pods.answer().as(c.answer)

				r := newRig(t, rigConfig{})
				r.set(t, declared, nil)
				r.tapIn(t, guests).toOutside(pods.hop())
				r.evict(t)
				r.age(t, 1)
				r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())
				r.evict(t)
				r.age(t, 1)
				r.nicIn(t, answer).passes() // nobody's any more: by the rules the pod's

				r.tapIn(t, guests).toOutside(pods.hop())
				for range 3 { // a flow in use renews its claim
					r.age(t, 1)
					r.tapIn(t, guests).toOutside(pods.hop())
				}
				r.evict(t)
				r.age(t, 1)
				r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())

				r.reset(t)
				r.set(t, nil, guestMAC)
				r.nicOut(t, pods).passes()
				r.evict(t)
				r.age(t, 1)
				r.nicIn(t, answer).passes()
				r.evict(t)
				r.age(t, 1)
				if name == "ping" {
					r.nicIn(t, answer).passes()
				} else {
					r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())
				}
			})
		}
	})
}

// A port that the other side hasn't used for long is free.
func TestPacketOwnershipEnds(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		guests := packet(udp, f.guest, f.remote, 41000, 53)
		for epochs := range uint32(3) {
			r := newRig(t, rigConfig{})
			r.nicOut(t, guests.from(f.pod)).passes()
			r.age(t, epochs)
			if epochs < 2 {
				r.guestRemapped(t, f, guests)
			} else {
				r.tapIn(t, guests).toOutside(guests.from(f.pod).hop())
			}
		}
	})
}

// Each side's claim is a bit of its own, in a word that carries its epoch.
func TestPacketOwnershipWords(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		epoch := uint64(rigClock >> epochShift(t, classUDP))
		guests := packet(udp, f.guest, f.remote, 41000, 53)
		var slot int
		expect := func(now uint64, used ...int) {
			t.Helper()
			var words []uint64
			r.eachOwnerWord(t, func(class uint8, word uint64) uint64 {
				if word != 0 {
					words = append(words, word)
					if class != classUDP {
						t.Errorf("word %#x in port space %d", word, class)
					}
				}
				return word
			})
			if len(words) != 1 {
				t.Fatalf("words %#x, want one", words)
			}
			slot = bits.TrailingZeros64(words[0]) % 8
			want := now << 32
			for _, shift := range used {
				want |= 1 << (slot + shift)
			}
			if words[0] != want {
				t.Errorf("word %#x, want %#x", words[0], want)
			}
		}
		const podNow, podBefore, guestNow, guestBefore = 8, 0, 24, 16

		r.tapIn(t, guests)
		expect(epoch, guestNow)
		r.tapIn(t, guests)
		expect(epoch, guestNow)
		r.age(t, 1)
		expect(epoch-1, guestNow)
		r.tapIn(t, guests)
		expect(epoch, guestNow, guestBefore)
		r.age(t, 1)
		r.evict(t)
		open := guests.from(f.remote).to(f.pod).ports(53, 41000)
		r.nicIn(t, open) // what comes in claims nothing
		expect(epoch-1, guestNow, guestBefore)
		r.age(t, 1)
		r.evict(t)
		r.nicOut(t, guests.from(f.pod))
		expect(epoch, podNow)
		r.age(t, 1)
		r.nicOut(t, guests.from(f.pod))
		expect(epoch, podNow, podBefore)
		r.age(t, ^uint32(0)) // written by a CPU that saw the next epoch already: stays as it is
		r.nicOut(t, guests.from(f.pod).as(udp))
		expect(epoch+1, podNow, podBefore)
	})
}

// An answer to a ping keeps its id, whoever has the slot.
func TestPacketPongKeepsID(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.ownEverything(t, masqueradeSideSIDE_POD)
		ping, pong := packet(echo, f.remote, f.pod, 77, 0), packet(echoReply, f.guest, f.remote, 0, 77)
		r.nicIn(t, ping).toGuest(ping.to(f.guest).hop())
		r.tapIn(t, pong).toOutside(pong.from(f.pod).hop())
	})
}

// A TCP connection that is under way goes on with the port it has, whoever uses the slot.
func TestPacketUnderWayKeepsPort(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for _, k := range []kind{tcpSYNACK, tcpACK, tcpRST} {
			r := newRig(t, rigConfig{})
			d := packet(k, f.guest, f.remote, 40000, 80)
			r.ownEverything(t, masqueradeSideSIDE_POD)
			r.tapIn(t, d).toOutside(d.from(f.pod).hop())
			r.reset(t)
			r.set(t, nil, guestMAC)
			r.ownEverything(t, masqueradeSideSIDE_GUEST)
			r.nicOut(t, d.from(f.pod)).passes()
		}
	})
}

// Without certainty that a port is the other side's, a flow that gets no other keeps its own.
func TestPacketAllPortsTaken(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.ownEverything(t, masqueradeSideSIDE_POD)
		d := packet(udp, f.guest, f.remote, 40000, 53)
		r.tapIn(t, d).toOutside(d.from(f.pod).hop())
	})
}

// A reset answers anything: it proves nothing about who has a port.
func TestPacketResetClaimsNothing(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		d := packet(tcpRST, f.guest, f.remote, 22, 50000)
		r.tapIn(t, d).toOutside(d.from(f.pod).hop())
		r.nicOut(t, d.from(f.pod)).passes()
		r.eachOwnerWord(t, func(_ uint8, word uint64) uint64 {
			if word != 0 {
				t.Errorf("owner word %#x", word)
			}
			return word
		})
		if flows := r.flowTable(t); len(flows) != 0 {
			t.Errorf("flows %+v", flows)
		}

		// Nor does it end the other side's flow: the pod refuses what is the guest's, as it may while ports change.
		syn := packet(tcpSYN, f.guest, f.remote, 40000, 80)
		r.tapIn(t, syn).toOutside(syn.from(f.pod).hop())
		reset := packet(tcpRST, f.pod, f.remote, 40000, 80)
		r.nicOut(t, reset).isDropped(masqueradeDropReasonDROP_NO_FREE_PORT)
		pods := packet(udp, f.pod, f.remote, 40000, 53)
		r.nicOut(t, pods).passes()
		complaint := packet(portUnreachable, f.guest, f.remote, 0, 0)
		complaint.data = pods.answer().to(f.guest).bytes(t)
		r.tapIn(t, complaint).isDropped(masqueradeDropReasonDROP_NO_FREE_PORT)
		answer := packet(tcpSYNACK, f.remote, f.pod, 80, 40000)
		r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())
	})
}

// An entry of the flow table that nothing has used for long says nothing, but for TCP, where a SYN tells of a new flow.
func TestPacketStaleFlow(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, c := range map[string]struct {
			kind  kind
			stays bool
		}{"UDP": {udp, false}, "GRE": {raw(47), false}, "TCP": {tcpACK, true}} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.set(t, declared, nil)
				sent := packet(c.kind, f.guest, f.remote, 40000, 80)
				answer := packet(c.kind, f.remote, f.pod, 80, 40000)
				r.tapIn(t, sent).toOutside(sent.from(f.pod).hop())
				r.age(t, 1)
				r.nicIn(t, answer).toGuest(answer.to(f.guest).hop()) // and is used again by that
				r.age(t, 1)
				r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())
				r.age(t, 2)
				if c.stays {
					r.nicIn(t, answer).toGuest(answer.to(f.guest).hop())
				} else {
					r.nicIn(t, answer).passes()
				}
			})
		}
	})
}

// A SYN on a tuple that its owner is at work on is the owner's to answer; else one forged SYN would take a connection from
// it. Any other opens a connection anew, whatever the table holds: the port rules say whose.
func TestPacketSYNIsJudgedAnew(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		guests := packet(tcpSYN, f.guest, f.remote, 40000, 80)
		syn := packet(tcpSYN, f.remote, f.pod, 80, 40000)
		r.nicOut(t, guests.from(f.pod)).passes()
		r.nicIn(t, syn).passes()
		r.evict(t)
		r.nicIn(t, syn).toGuest(syn.to(f.guest).hop())

		r.reset(t)
		r.set(t, declared, guestMAC)
		r.tapIn(t, guests).toOutside(guests.from(f.pod).hop())
		r.nicIn(t, syn).toGuest(syn.to(f.guest).hop())
		r.evict(t)
		r.nicIn(t, syn).passes()

		// Ports that change apply to new connections, not to those there are.
		r.reset(t)
		r.set(t, nil, guestMAC)
		r.nicIn(t, syn).toGuest(syn.to(f.guest).hop())
		r.set(t, declared, nil)
		more := syn.as(tcpACK)
		r.nicIn(t, more).toGuest(more.to(f.guest).hop())
		r.nicIn(t, syn).passes()
	})
}
