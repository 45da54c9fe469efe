// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sync/errgroup"
)

// A flow that goes on keeps its entry, however many others come and go: who was silent for longest makes room.
func TestPacketFlowTableKeepsWhatIsUsed(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{flows: minFlows})
		steady := packet(udp, f.guest, f.remote, 40000, 53)
		const rounds = 5 * minFlows
		for i := range rounds {
			r.tapIn(t, steady)
			r.tapIn(t, packet(udp, f.guest, f.remote, 20000+i, 53))
			for slot, flow := range r.flowTable(t) {
				flow.Seen--
				put(t, r.Flows, slot, flow)
			}
		}
		for _, flow := range r.flowTable(t) {
			if flow.port() == 40000 {
				if flow.Packets[masqueradeDirectionDIR_TRANSMIT] != rounds {
					t.Errorf("%d packets of %d are counted: the entry was lost in between", flow.Packets[masqueradeDirectionDIR_TRANSMIT], rounds)
				}
				return
			}
		}
		t.Error("the flow that goes on has no entry")
	})
}

// What was silent for two epochs of UDP's makes room before anything else does.
func TestPacketFlowTableReplacesTheDead(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{flows: minFlows})
		for i := range 10 * minFlows {
			r.tapIn(t, packet(udp, f.guest, f.remote, 20000+i, 53))
		}
		r.age(t, 3)
		const living = minFlows / 8
		for i := range living {
			r.tapIn(t, packet(udp, f.guest, f.remote, 40000+i, 53))
		}
		fresh := 0
		for _, flow := range r.flowTable(t) {
			if flow.port() >= 40000 {
				fresh++
			}
		}
		if fresh != living {
			t.Errorf("%d of %d new flows have an entry, among the dead alone", fresh, living)
		}
	})
}

// Counts go on beyond what fits into 32 bits.
func TestPacketFlowCountsCarry(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		out := packet(udp, f.guest, f.remote, 40000, 53)
		r.tapIn(t, out)
		for slot, flow := range r.flowTable(t) {
			flow.Packets[masqueradeDirectionDIR_TRANSMIT] = 0xffffffff
			put(t, r.Flows, slot, flow)
		}
		r.tapIn(t, out)
		size := uint64(len(framed(t, guestMAC, GatewayMAC, out)))
		for _, flow := range r.flowTable(t) {
			if packets, bytes := flow.counted(masqueradeDirectionDIR_TRANSMIT); packets != 1<<32 || bytes != 2*size {
				t.Errorf("%d packets, %d bytes; want %d, %d", packets, bytes, uint64(1)<<32, 2*size)
			}
		}
	})
}

// A TCP connection may be silent for as long as it likes, where there is room for others.
func TestPacketFlowTableKeepsSilentTCP(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{flows: minFlows})
		r.tapIn(t, packet(tcpACK, f.guest, f.remote, 40000, 22))
		for slot, flow := range r.flowTable(t) {
			flow.Seen -= 100 << epochShift(t, classUDP)
			put(t, r.Flows, slot, flow)
		}
		for i := range minFlows / 4 {
			r.tapIn(t, packet(udp, f.guest, f.remote, 20000+i, 53))
		}
		for _, flow := range r.flowTable(t) {
			if flow.port() == 40000 {
				return
			}
		}
		t.Error("the connection's entry is gone, though most of the table is free")
	})
}

// CPUs that meet the same new flows at once, in a table that has little room, leave at most one entry of each, and none
// half-written.
func TestPacketFlowTableHasNoTwins(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{flows: minFlows})
		const flows = 3 * minFlows
		guests, pods := make([][]byte, flows), make([][]byte, flows) // of the same flows on the wire
		for i := range flows {
			d := packet(tcpACK, f.guest, f.remote, 20000+i, 53)
			guests[i], pods[i] = framed(t, guestMAC, GatewayMAC, d), framed(t, podMAC, nodeMAC, d.from(f.pod))
		}
		for range 200 {
			for slot, flow := range r.flowTable(t) { // so that room is found in other places each time
				flow.Seen = rigClock - rand.Uint32N(100)
				put(t, r.Flows, slot, flow)
			}
			var cpus errgroup.Group
			for cpu := range ebpf.MustPossibleCPU() {
				cpus.Go(func() error {
					program, frames := r.TapirTapIn, guests
					if cpu%2 > 0 {
						program, frames = r.TapirNicOut, pods
					}
					for _, i := range rand.Perm(flows) {
						if _, err := program.Run(&ebpf.RunOptions{Data: frames[i]}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if err := cpus.Wait(); err != nil {
				t.Fatal(err)
			}
			r.eachOnce(t)
		}
	})
}

// eachOnce checks that no flow has two entries, and that none is being written.
func (r *rig) eachOnce(t *testing.T) {
	t.Helper()
	const key = 0xffffffff
	seen := map[uint64]bool{}
	for slot := range r.Flows.MaxEntries() {
		var flow masqueradeFlow
		if err := r.Flows.Lookup(slot, &flow); err != nil {
			t.Fatal(err)
		}
		if flow.Tuple != 0 && !flow.used() {
			t.Errorf("slot %d is still being written: %x", slot, flow.Tuple)
		}
		if flow.used() && seen[flow.Tuple&key] {
			t.Errorf("the flow of port %d stands there twice", flow.wirePort())
		}
		seen[flow.Tuple&key] = true
	}
}

// What comes from a table of another size is kept as it is, unless the flow is known already.
func TestPacketFlowCarried(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		known, other := packet(udp, f.guest, f.remote, 40000, 53), packet(tcpACK, f.guest, f.remote, 40001, 80)
		r.tapIn(t, known)
		r.tapIn(t, other)
		carried := r.flowTable(t)
		r.evict(t)
		r.tapIn(t, known)
		r.tapIn(t, known)
		for _, entry := range carried {
			entry.Packets[masqueradeDirectionDIR_TRANSMIT] = 7
			raw, err := binary.Append(nil, binary.NativeEndian, entry)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.TapirCarry.Run(&ebpf.RunOptions{Data: raw}); err != nil {
				t.Fatal(err)
			}
		}
		got := map[uint16]uint32{}
		for _, flow := range r.flowTable(t) {
			got[flow.port()] = flow.Packets[masqueradeDirectionDIR_TRANSMIT]
		}
		if len(got) != 2 || got[40000] != 2 || got[40001] != 7 {
			t.Errorf("packets by port: %v, want 2 of the one that was known, 7 of the other", got)
		}
		r.tapIn(t, other)
		if n := len(r.flowTable(t)); n != 2 {
			t.Errorf("%d flows, want 2: what was carried over isn't found", n)
		}
	})
}
