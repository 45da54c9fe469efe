// SPDX-License-Identifier: Apache-2.0

package datapath

import "testing"

// The connections of a server follow from the port rules, and claim nothing as long as nobody else has the slot.
func TestPacketServerClaimsNothing(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		guests, pods := packet(tcpSYN, f.remote, f.pod, 50000, 8080), packet(tcpSYN, f.remote, f.pod, 50000, 22)
		r.nicIn(t, guests).toGuest(guests.to(f.guest).hop())
		accept := packet(tcpSYNACK, f.guest, f.remote, 8080, 50000)
		r.tapIn(t, accept).toOutside(accept.from(f.pod).hop())
		r.nicIn(t, pods).passes()
		r.nicOut(t, pods.answer().as(tcpSYNACK)).passes()
		r.eachOwnerWord(t, func(_ uint8, word uint64) uint64 {
			if word != 0 {
				t.Errorf("owner word %#x", word)
			}
			return word
		})
	})
}

// Where the rules don't say so, or the other side has the slot, a server's connection is claimed like any other.
func TestPacketServerClaims(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		accept := packet(tcpSYNACK, f.guest, f.remote, 22, 50000)
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		r.tapIn(t, accept).toOutside(accept.from(f.pod).hop()) // opened before ports were declared
		r.evict(t)
		more := accept.from(f.pod).answer().as(tcpACK)
		r.nicIn(t, more).toGuest(more.to(f.guest).hop())

		r.reset(t)
		r.set(t, nil, guestMAC)
		pods := packet(tcpSYN, f.pod, f.remote, 22, 50000)
		r.nicOut(t, pods).passes()
		r.evict(t)
		r.tapIn(t, accept).toOutside(accept.from(f.pod).hop())
		r.evict(t)
		r.nicIn(t, more).toGuest(more.to(f.guest).hop())
	})
}
