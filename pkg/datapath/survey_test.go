// SPDX-License-Identifier: Apache-2.0

package datapath

import "testing"

// surveyed is a NIC that has nothing but a flow table; 0 is the default size.
func surveyed(t testing.TB, flows int) (*rig, *NIC) {
	t.Helper()
	r := newRig(t, rigConfig{flows: flows})
	return r, &NIC{maps: masqueradeMaps{Flows: r.Flows}, surveyor: r.TapirSurvey}
}

// Every slot is counted once, the last included, though stretches don't divide the table and it takes several system calls.
func TestPacketFlowCount(t *testing.T) {
	eachFamily(t, countsFlows)
}

func countsFlows(t *testing.T, f addressFamily) {
	r, nic := surveyed(t, surveyStretch*surveyRuns+1)
	expect := func(want int) {
		t.Helper()
		if got, err := nic.FlowCount(); err != nil || got != want {
			t.Errorf("%d flows, %v; want %d", got, err, want)
		}
	}
	expect(0)
	const flows = 1000
	for i := range flows {
		r.tapIn(t, packet(udp, f.guest, f.remote, 20000+i, 53))
	}
	expect(flows)
	last := r.Flows.MaxEntries() - 1
	for _, slot := range []uint32{0, last} {
		put(t, r.Flows, slot, masqueradeFlow{})
	}
	expect(len(r.flowTable(t)))
	put(t, r.Flows, last, masqueradeFlow{Tuple: tupleUsed})
	expect(len(r.flowTable(t)))
}

// BenchmarkFlowCount counts the flows of a table of the default size.
func BenchmarkFlowCount(b *testing.B) {
	_, nic := surveyed(b, 0)
	for b.Loop() {
		if _, err := nic.FlowCount(); err != nil {
			b.Fatal(err)
		}
	}
}
