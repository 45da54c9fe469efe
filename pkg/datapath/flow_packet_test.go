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
		r.expectFlow(t, wire, masqueradeFlow{
			Side: uint8(masqueradeSideSIDE_GUEST), Port: hostOrder(41000), Epoch: rigClock >> epochShift(t, classUDP),
			Seen: rigClock, Made: rigClock, Packets: [2]uint64{2, 1}, Bytes: [2]uint64{2 * bytes, bytes},
		})
		r.expectFlow(t, pods, masqueradeFlow{
			Side: uint8(masqueradeSideSIDE_POD), Port: hostOrder(41000), Epoch: rigClock >> epochShift(t, classUDP),
			Seen: rigClock, Made: rigClock, Packets: [2]uint64{1, 1}, Bytes: [2]uint64{bytes, bytes},
		})
		if n := len(keysOf[masqueradeFlowKey](t, r.Flows)); n != 2 {
			t.Errorf("%d flows, want 2", n)
		}
		if n := len(keysOf[masqueradeFragKey](t, r.Fragments)); n != 0 {
			t.Errorf("%d fragments remembered without any", n)
		}
	})
}

// expectFlow compares the entry of a packet that leaves.
func (r *rig) expectFlow(t *testing.T, d datagram, want masqueradeFlow) {
	t.Helper()
	proto, _ := d.kind(d)
	key := masqueradeFlowKey{Proto: uint8(proto), LocalPort: hostOrder(d.sport), RemotePort: hostOrder(d.dport)}
	key.Remote.Word = words(d.dst)
	if d.ipv6() {
		key.Ipv6 = 1
	}
	var got masqueradeFlow
	if err := r.Flows.Lookup(key, &got); err != nil {
		t.Fatalf("flow %+v: %v", key, err)
	}
	if got != want {
		t.Errorf("flow %+v, want %+v", got, want)
	}
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
				if n := len(keysOf[masqueradeFlowKey](t, r.Flows)); n > flows {
					t.Errorf("%d flows in a table of %d", n, flows)
				}
			})
		})
	}
}
