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
// of a frame must be what the TC program makes of it, and what it passes it must leave as it is.

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
	if prog == r.TapirNicIn {
		return r.fast.TapirXdpNic
	}
	return nil
}

// shortCut is what an XDP program did with a frame, and what it left in the flow table.
type shortCut struct {
	verdict  verdict
	out      []byte
	counters Counters
	flows    map[masqueradeFlowKey]masqueradeFlow
}

// shortCut gives a frame to the XDP program before prog, and takes back what it did; nil where it let it pass.
func (r *rig) shortCut(t testing.TB, prog *ebpf.Program, in []byte, ctx skbContext) *shortCut {
	t.Helper()
	first := r.before(prog)
	if first == nil || ctx != (skbContext{}) { // what the stack knows of a packet, XDP never sees
		return nil
	}
	r.resetCounters(t)
	before := r.flowTable(t)
	var s shortCut
	s.verdict, s.out = exec(t, first, in, skbContext{})
	var err error
	if s.counters, err = r.nic().Counters(); err != nil {
		t.Fatal(err)
	}
	s.flows = r.flowTable(t)
	if s.verdict == verdictXDPPass {
		if !bytes.Equal(s.out, in) || s.counters != (Counters{}) || !maps.Equal(s.flows, before) {
			t.Errorf("XDP passed a packet, but left traces: counters %+v, flows %+v, frame\n%s", s.counters, s.flows, hex.Dump(s.out))
		}
		return nil
	}
	for key, flow := range before {
		if s.flows[key] != flow {
			if err := r.Flows.Put(key, flow); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &s
}

// agrees compares with what TC made of the same frame in the same state.
func (s *shortCut) agrees(r *rig, res result) {
	res.t.Helper()
	if s.verdict != res.verdict || s.counters != res.counters || len(res.drops) != 0 {
		res.t.Errorf("by XDP %s, counters %+v; by TC %s, counters %+v, drops %v", s.verdict, s.counters, res.verdict, res.counters, res.drops)
	}
	if !bytes.Equal(s.out, res.out) {
		res.t.Errorf("frame in\n%sby XDP\n%sby TC\n%s", hex.Dump(res.in), hex.Dump(s.out), hex.Dump(res.out))
	}
	if flows := r.flowTable(res.t); !maps.Equal(s.flows, flows) {
		res.t.Errorf("flows after XDP %+v, after TC %+v", s.flows, flows)
	}
}

func (r *rig) flowTable(t testing.TB) map[masqueradeFlowKey]masqueradeFlow {
	t.Helper()
	table := map[masqueradeFlowKey]masqueradeFlow{}
	err := eachFlow(r.Flows, func(k *masqueradeFlowKey, f *masqueradeFlow) { table[*k] = *f })
	if err != nil {
		t.Fatal(err)
	}
	return table
}
