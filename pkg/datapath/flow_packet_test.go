// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"testing"
)

// A flow has one entry, keyed by how it looks on the wire, which counts both directions.
func TestPacketFlowEntry(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		pods := packet(udp, f.pod, f.remote, 41000, 53)
		guests := pods.from(f.guest)
		r.nicOut(t, pods).passes()
		wire := r.guestRemapped(t, f, guests)
		r.nicIn(t, wire.answer())
		r.nicIn(t, wire.answer())
		r.nicIn(t, pods.answer())

		bytes := uint64(len(framed(t, guestMAC, GatewayMAC, guests)))
		table := r.flowTable(t)
		if len(table) != 2 {
			t.Errorf("%d flows, want 2", len(table))
		}
		for _, flow := range table {
			side, d, packets := masqueradeSideSIDE_POD, pods, [2]uint32{1, 1}
			if flow.side() == masqueradeSideSIDE_GUEST {
				side, d, packets = masqueradeSideSIDE_GUEST, wire, [2]uint32{2, 1}
			}
			want := masqueradeFlow{
				Tuple: flowTuple(t, d, side, 41000), Seen: rigClock, Made: rigClock,
				Packets: packets, Bytes: [2]uint64{uint64(packets[0]) * bytes, uint64(packets[1]) * bytes},
			}
			want.Remote.Word = words(d.dst)
			if flow != want {
				t.Errorf("flow %+v, want %+v", flow, want)
			}
		}
		for _, key := range keysOf[masqueradeFlowKey](t, r.Contested) {
			if key.Class != 0 {
				t.Errorf("contested tuple %+v, want no class: other versions' programs look for it without", key)
			}
		}
		if n := len(keysOf[masqueradeFragKey](t, r.Fragments)); n != 0 {
			t.Errorf("%d fragments remembered without any", n)
		}
	})
}

// flowTuple is the word of the entry of a datagram that leaves, as its owner's, from a port of its own.
func flowTuple(t *testing.T, d datagram, side masqueradeSide, port uint16) uint64 {
	word := uint64(hostOrder(d.dport)) | uint64(hostOrder(d.sport))<<tupleWirePort | uint64(hostOrder(port))<<tuplePort |
		uint64(side)<<tupleSide | classUDP<<tupleClass | tupleUsed | uint64(rigClock>>epochShift(t, classUDP))<<tupleEpoch
	if d.ipv6() {
		word |= 1 << tupleIPv6
	}
	return word
}

// Many more flows than the table has room for: none is lost, and answers go where they belong.
func TestPacketFlowTableOverflows(t *testing.T) {
	const flows = 64
	for name, ports := range map[string][]Port{"no ports": nil, "declared ports": declared} {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, f addressFamily) {
				r := newRig(t, rigConfig{flows: flows})
				r.set(t, ports, nil)
				flow := func(i int) (guests, pods datagram) {
					return packet(udp, f.guest, f.remote, 20000+i, 53), packet(tcpACK, f.pod, f.remote, 20000+i, 443)
				}
				for i := range 5 * flows {
					guests, pods := flow(i)
					r.tapIn(t, guests).toOutside(guests.from(f.pod).hop())
					r.nicOut(t, pods).passes()
				}
				for i := range 5 * flows {
					guests, pods := flow(i)
					r.nicIn(t, pods.answer()).passes()
					r.nicIn(t, guests.from(f.pod).answer()).toGuest(guests.answer().hop())
				}
				if n := len(r.flowTable(t)); n > flows {
					t.Errorf("%d flows in a table of %d", n, flows)
				}
			})
		})
	}
}
