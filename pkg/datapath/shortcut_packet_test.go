// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"encoding/hex"
	"maps"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// On a NIC with the XDP fast path, an XDP program sees each frame first. So it does in every packet test: what it makes
// of a frame must be what the TC program makes of it, and what it passes it must leave as it is. It goes out by next hops
// that the kernel has for no flow of the rig's, so flows are lent one for it.

const verdictXDPPass verdict = 2 // XDP_PASS; linux/bpf.h

// loadFastpath gives the rig the XDP programs, on the same maps.
func (r *rig) loadFastpath(t testing.TB, c *constants, flows int) {
	t.Helper()
	spec, err := specialiseFastpath(c, flows)
	if err != nil {
		t.Fatal(err)
	}
	replaceHelpers(t, spec)
	spec.Maps[masqueradeMapOwners].Flags |= unix.BPF_F_MMAPABLE
	shared := map[string]*ebpf.Map{}
	for name, slot := range pinnedMaps(&r.masqueradeMaps) {
		shared[name] = *slot
	}
	if err := spec.LoadAndAssign(&r.fast, &ebpf.CollectionOptions{MapReplacements: shared}); err != nil {
		t.Fatalf("loading the XDP programs: %+v", err)
	}
}

// before is the XDP program that stands before a TC program; nil: none.
func (r *rig) before(prog *ebpf.Program) *ebpf.Program {
	switch prog {
	case r.TapirNicIn:
		return r.fast.TapirXdpNic
	case r.TapirTapIn:
		return r.fast.TapirXdpTap
	}
	return nil
}

// outcome is what a program did with a frame, and what it left in the flow table.
type outcome struct {
	verdict  verdict
	out      []byte
	counters Counters
	drops    []Drop
	flows    map[uint32]masqueradeFlow
}

func (r *rig) outcome(t testing.TB, prog *ebpf.Program, in []byte) (o outcome) {
	t.Helper()
	r.resetCounters(t)
	o.verdict, o.out = exec(t, prog, in, skbContext{})
	var err error
	if o.counters, err = r.nic().Counters(); err != nil {
		t.Fatal(err)
	}
	if o.drops, err = r.nic().Drops(); err != nil {
		t.Fatal(err)
	}
	o.flows = r.flowTable(t)
	return o
}

// shortCut gives a frame to the XDP program before prog, and, if that takes it, to prog: both must do the same. Then it
// takes back what they did.
func (r *rig) shortCut(t testing.TB, prog *ebpf.Program, in []byte, ctx skbContext) (taken bool) {
	t.Helper()
	first := r.before(prog)
	if first == nil || ctx != (skbContext{}) { // what the stack knows of a packet, XDP never sees
		return false
	}
	found := r.flowTable(t)
	before := found
	if prog == r.TapirTapIn {
		before = lendNextHops(found)
		defer r.putFlows(t, before, found)
		r.putFlows(t, found, before)
	}
	xdp := r.outcome(t, first, in)
	if xdp.verdict == verdictXDPPass {
		if !bytes.Equal(xdp.out, in) || xdp.counters != (Counters{}) || !maps.Equal(xdp.flows, before) {
			t.Errorf("XDP passed a packet, but left traces: counters %+v, flows %+v, frame\n%s", xdp.counters, xdp.flows, hex.Dump(xdp.out))
		}
		return false
	}
	r.putFlows(t, xdp.flows, before)
	tc := r.outcome(t, prog, in)
	r.putFlows(t, tc.flows, before)
	if xdp.verdict != tc.verdict || xdp.counters != tc.counters || len(tc.drops) != 0 {
		t.Errorf("by XDP %s, counters %+v; by TC %s, counters %+v, drops %v", xdp.verdict, xdp.counters, tc.verdict, tc.counters, tc.drops)
	}
	if !bytes.Equal(xdp.out, tc.out) {
		t.Errorf("frame in\n%sby XDP\n%sby TC\n%s", hex.Dump(in), hex.Dump(xdp.out), hex.Dump(tc.out))
	}
	if !maps.Equal(xdp.flows, tc.flows) {
		t.Errorf("flows after XDP %+v, after TC %+v", xdp.flows, tc.flows)
	}
	return true
}

// lendNextHops is a table whose flows have a next hop, looked up just now.
func lendNextHops(flows map[uint32]masqueradeFlow) map[uint32]masqueradeFlow {
	lent := maps.Clone(flows)
	for slot, flow := range lent {
		flow.NextHop = rigClock&0xffff<<48 | macWord(nodeMAC)
		lent[slot] = flow
	}
	return lent
}

// putFlows writes what is to be in the table and isn't.
func (r *rig) putFlows(t testing.TB, are, to map[uint32]masqueradeFlow) {
	t.Helper()
	for slot, flow := range to {
		if are[slot] != flow {
			put(t, r.Flows, slot, flow)
		}
	}
}

func (r *rig) flowTable(t testing.TB) map[uint32]masqueradeFlow {
	t.Helper()
	table := map[uint32]masqueradeFlow{}
	err := eachFlow(r.Flows, func(slot uint32, f *masqueradeFlow) { table[slot] = *f })
	if err != nil {
		t.Fatal(err)
	}
	return table
}
