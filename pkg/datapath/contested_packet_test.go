// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"testing"
)

// fillContested leaves no room for another tuple. Entries that are used as well as unused ones are in it.
func (r *rig) fillContested(t testing.TB, epochsUnused func(i int) uint32) {
	t.Helper()
	n := int(r.Contested.MaxEntries())
	keys, values := make([]masqueradeFlowKey, n), make([]masqueradeContest, n)
	for i := range keys {
		keys[i] = masqueradeFlowKey{Proto: 17, LocalPort: 1}
		keys[i].Remote.Word[0] = uint32(i)
		values[i] = masqueradeContest{Side: uint8(masqueradeSideSIDE_POD), Port: 1,
			Seen: rigClock - epochsUnused(i)<<epochShift(t, classUDP)}
	}
	if _, err := r.Contested.BatchUpdate(keys, values, nil); err != nil {
		t.Fatal(err)
	}
}

// When the map is full of tuples that nobody uses any more, they make room, and nothing is lost.
func TestPacketContestedSweep(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.fillContested(t, func(i int) uint32 { return uint32(i % 4) }) // half of them: two epochs or more
		guests := packet(udp, f.guest, f.remote, 41000, 53)
		r.nicOut(t, guests.from(f.pod)).passes()
		res := r.tapIn(t, guests)
		wire := guests.from(f.pod).ports(int(sourcePort(res.out, guests)), 53)
		res.toOutside(wire.hop())
		if res.counters.ContestedFull == 0 || res.counters.Remaps != 1 {
			t.Errorf("counters %+v, want one remap and a full map", res.counters)
		}
		if n, want := len(keysOf[masqueradeFlowKey](t, r.Contested)), int(r.Contested.MaxEntries())/2+2; n != want {
			t.Errorf("%d entries are left, want those in use and two, %d", n, want)
		}
		r.nicIn(t, wire.answer()).toGuest(guests.answer().hop())
	})
}

// When it is full of tuples in use, a flow that needs another port gets none. All else goes on.
func TestPacketContestedFull(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.fillContested(t, func(i int) uint32 { return uint32(i % 2) })
		guests := packet(udp, f.guest, f.remote, 41000, 53)
		r.nicOut(t, guests.from(f.pod)).passes()
		res := r.tapIn(t, guests)
		res.isDropped(masqueradeDropReasonDROP_NO_FREE_PORT)
		if res.counters.ContestedFull == 0 {
			t.Error("a full map wasn't counted")
		}
		if n := len(keysOf[masqueradeFlowKey](t, r.Contested)); n != int(r.Contested.MaxEntries()) {
			t.Errorf("%d entries are left of %d", n, r.Contested.MaxEntries())
		}

		// Another port, and a connection from outside on the pod's port.
		free := guests.ports(41001, 53)
		r.tapIn(t, free).toOutside(free.from(f.pod).hop())
		pods := packet(tcpSYN, f.pod, f.remote, 8080, 50000)
		r.nicOut(t, pods).passes()
		r.evict(t)
		open := packet(tcpSYN, f.remote, f.pod, 50000, 8080)
		r.nicIn(t, open).toGuest(open.to(f.guest).hop())
		accept := packet(tcpSYNACK, f.guest, f.remote, 8080, 50000)
		r.tapIn(t, accept).toOutside(accept.from(f.pod).hop())
	})
}

// A tuple that nobody used for long is forgotten: its port is kept by whoever comes next.
func TestPacketContestedAges(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		guests := packet(udp, f.guest, f.remote, 41000, 53)
		r.nicOut(t, guests.from(f.pod)).passes()
		wire := r.guestRemapped(t, f, guests)
		for range 3 { // used, it stays
			r.age(t, 1)
			r.evict(t)
			r.tapIn(t, guests).toOutside(wire.hop())
			r.nicOut(t, guests.from(f.pod)).passes()
		}
		r.evict(t)
		r.nicIn(t, wire.answer()).toGuest(guests.answer().hop())
		r.age(t, 2)
		r.evict(t)
		r.tapIn(t, guests).toOutside(guests.from(f.pod).hop())

		// And its entries make room for a new tuple of the same.
		r.reset(t)
		r.set(t, nil, guestMAC)
		r.nicOut(t, guests.from(f.pod)).passes()
		r.guestRemapped(t, f, guests)
		r.age(t, 2)
		r.evict(t)
		r.nicOut(t, guests.from(f.pod)).passes()
		wire = r.guestRemapped(t, f, guests)
		r.nicIn(t, wire.answer()).toGuest(guests.answer().hop())
	})
}

// Declared ports are the guest's: no other flow is moved to one.
func TestPacketRemapAvoidsDeclaredPorts(t *testing.T) {
	f := families()["IPv4"]
	r := newRig(t, rigConfig{})
	const free = 32768
	var ports []Port
	for port := uint16(1024); port < free; port++ {
		ports = append(ports, Port{Protocol: "udp", Port: port})
	}
	r.set(t, ports, nil)
	for i := range 32 {
		pods := packet(udp, f.pod, f.remote, 40000+i, 53)
		guests := pods.from(f.guest)
		r.tapIn(t, guests).toOutside(pods.hop())
		if wire := r.podRemapped(t, pods); wire.sport < free {
			t.Errorf("moved to the declared port %d", wire.sport)
		}
	}
}
