// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The packet tests give frames to the programs by BPF_PROG_TEST_RUN and compare what comes out with frames that are
// built from scratch. Two helpers are taken out of the programs for it: a redirect returns the interface that it was
// told instead of TC_ACT_REDIRECT, so that a test sees where a packet goes, and time stands still, so that no test
// depends on the moment it runs at. All else is what runs on a NIC.
//
// A test run has a linear frame without checksum metadata: how GSO frames, frames in pieces and CHECKSUM_PARTIAL
// are handled only shows on real devices.

// Interfaces of the rig. None has these numbers, so nothing can leave the machine.
const (
	rigTap = 1000001
	rigNIC = 1000002
	rigLo  = 1
)

// rigClock is what the programs' clock shows: far enough from 0 that two epochs ago can be told.
const rigClock = 1 << 24

// rig is one NIC's programs and maps.
type rig struct {
	rigObjects
	fast   fastpathPrograms
	owners *ebpf.Memory // the map of that name
}

type rigObjects struct {
	masqueradeObjects
	Bss *ebpf.Map `ebpf:".bss"`
}

// rigConfig is what makes another set of programs; everything else is state.
type rigConfig struct {
	noIPv4, noIPv6 bool
	flows          int // 0: DefaultFlows
	tap            int // 0: rigTap
}

var rigs = map[rigConfig]*rig{}

// newRig gives the programs for a configuration, with empty maps and a guest whose MAC is known.
func newRig(t testing.TB, c rigConfig) *rig {
	t.Helper()
	r := rigs[c]
	if r == nil {
		r = loadRig(t, c)
		rigs[c] = r
	}
	r.reset(t)
	r.set(t, nil, guestMAC)
	return r
}

func loadRig(t testing.TB, c rigConfig) *rig {
	flows, tap := c.flows, c.tap
	if flows == 0 {
		flows = DefaultFlows
	}
	if tap == 0 {
		tap = rigTap
	}
	fixed := &constants{Addresses: testAddresses(!c.noIPv4, !c.noIPv6), NICIndex: rigNIC, TapIndex: tap, NICMAC: podMAC.String(), XDPOut: true}
	spec, err := specialise(fixed, flows)
	if err != nil {
		t.Fatal(err)
	}
	replaceHelpers(t, spec)
	spec.Maps[masqueradeMapOwners].Flags |= unix.BPF_F_MMAPABLE
	r := new(rig)
	if err := spec.LoadAndAssign(&r.rigObjects, nil); err != nil {
		t.Fatalf("loading the programs needs root: %+v", err)
	}
	if r.owners, err = r.Owners.Memory(); err != nil {
		t.Fatal(err)
	}
	r.loadFastpath(t, fixed, flows)
	return r
}

func replaceHelpers(t testing.TB, spec *ebpf.CollectionSpec) {
	t.Helper()
	var redirects, clocks int
	for _, p := range spec.Programs {
		redirects += replaceCall(p, asm.FnRedirect, asm.Mov.Reg(asm.R0, asm.R1))
		redirects += replaceCall(p, asm.FnRedirectNeigh, asm.Mov.Reg(asm.R0, asm.R1))
		clocks += replaceCall(p, asm.FnJiffies64, asm.Mov.Imm(asm.R0, rigClock<<clockShift))
	}
	if redirects == 0 || clocks == 0 {
		t.Fatalf("replaced %d redirects and %d clocks: the programs use other helpers now, and so must the rig", redirects, clocks)
	}
}

// replaceCall puts another instruction in the place of each call of a helper.
func replaceCall(p *ebpf.ProgramSpec, helper asm.BuiltinFunc, by asm.Instruction) (n int) {
	for i, ins := range p.Instructions {
		if ins.IsBuiltinCall() && ins.Constant == int64(helper) {
			by.Metadata = ins.Metadata
			p.Instructions[i] = by
			n++
		}
	}
	return n
}

// reset forgets everything that packets have left behind.
func (r *rig) reset(t testing.TB) {
	t.Helper()
	r.evict(t)
	deleteAll[masqueradeFlowKey](t, r.Contested)
	deleteAll[masqueradeFragKey](t, r.Fragments)
	if _, err := r.owners.WriteAt(make([]byte, r.owners.Size()), 0); err != nil {
		t.Fatal(err)
	}
	put(t, r.Settings, 0, masqueradeSettings{})
	put(t, r.State, 0, masqueradeNicState{})
	put(t, r.Bss, 0, make([]byte, r.Bss.ValueSize()))
	r.resetCounters(t)
}

// evict empties the flow table, as other flows do that want the room.
func (r *rig) evict(t testing.TB) {
	t.Helper()
	for slot := range r.flowTable(t) {
		put(t, r.Flows, slot, masqueradeFlow{})
	}
}

func (r *rig) resetCounters(t testing.TB) {
	t.Helper()
	cpus := ebpf.MustPossibleCPU()
	for i := range r.masqueradeMaps.Counters.MaxEntries() {
		put(t, r.masqueradeMaps.Counters, i, make([]masqueradeCounter, cpus))
	}
	for i := range r.masqueradeMaps.Drops.MaxEntries() {
		put(t, r.masqueradeMaps.Drops, i, make([]masqueradeCounter, cpus))
	}
	for i := range r.Events.MaxEntries() {
		put(t, r.Events, i, make([]uint64, cpus))
	}
}

// set declares ports and the guest's MAC, as attach does; nil: that of the tests' guest.
func (r *rig) set(t testing.TB, ports []Port, mac net.HardwareAddr) {
	t.Helper()
	if mac == nil {
		mac = guestMAC
	}
	if err := setSettings(&r.masqueradeMaps, ports, mac); err != nil {
		t.Fatal(err)
	}
}

// nic reads the maps as users do.
func (r *rig) nic() *NIC { return &NIC{maps: r.masqueradeMaps} }

func put(t testing.TB, m *ebpf.Map, key uint32, value any) {
	t.Helper()
	if err := m.Put(key, value); err != nil {
		t.Fatalf("writing %s: %v", m, err)
	}
}

func deleteAll[K any](t testing.TB, m *ebpf.Map) {
	t.Helper()
	for _, key := range keysOf[K](t, m) {
		if err := m.Delete(key); err != nil {
			t.Fatalf("clearing %s: %v", m, err)
		}
	}
}

func keysOf[K any](t testing.TB, m *ebpf.Map) (keys []K) {
	t.Helper()
	var key K
	value := make([]byte, m.ValueSize())
	entries := m.Iterate()
	for entries.Next(&key, &value) {
		keys = append(keys, key)
	}
	if err := entries.Err(); err != nil {
		t.Fatalf("reading %s: %v", m, err)
	}
	return keys
}

// verdict is what a program returns; linux/pkt_cls.h.
type verdict uint32

const (
	verdictPass verdict = 0xffffffff // TC_ACT_UNSPEC: on to the pod's stack
	verdictDrop verdict = 2          // TC_ACT_SHOT
)

func (v verdict) String() string {
	switch v {
	case verdictPass:
		return "passed to the pod's stack"
	case verdictDrop:
		return "dropped"
	case rigTap:
		return "sent to the guest"
	case rigNIC:
		return "sent outside"
	case rigLo:
		return "sent to loopback"
	}
	return fmt.Sprintf("verdict %d", uint32(v))
}

// skbContext is the start of struct __sk_buff (linux/bpf.h), of which a test run takes a few fields.
type skbContext struct {
	_              [9]uint32
	IngressIfindex uint32
	_              [31]uint32
	GSOSegments    uint32
	_              [2]uint32
	GSOSize        uint32
	_              [3]uint32
}

// exec gives a frame to a program and returns its verdict and the frame as the program left it.
func exec(t testing.TB, prog *ebpf.Program, in []byte, ctx skbContext) (verdict, []byte) {
	t.Helper()
	opts := &ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+256)}
	if ctx != (skbContext{}) {
		raw, err := binary.Append(nil, binary.NativeEndian, ctx)
		if err != nil {
			t.Fatal(err)
		}
		opts.Context = raw
	}
	v, err := prog.Run(opts)
	if err != nil {
		t.Fatalf("running %s with %d bytes: %v", prog, len(in), err)
	}
	return verdict(v), opts.DataOut
}
