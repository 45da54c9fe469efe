// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// recorder is a load that notes whom it is applied to.
type recorder struct {
	udpRate
	applied *[]*lab.Network
}

func (r recorder) Start(_ context.Context, network *lab.Network) (Meter, error) {
	return recording{network, r.applied}, nil
}

type recording struct {
	network *lab.Network
	applied *[]*lab.Network
}

func (r recording) Measure(context.Context, time.Duration) (map[string]float64, error) {
	*r.applied = append(*r.applied, r.network)
	return map[string]float64{packetRate.Name: float64(len(*r.applied))}, nil
}

func (recording) Close() error { return nil }

// Rounds go A B, A B; the first of them warms up and gives no sample.
func TestRoundsAreInterleaved(t *testing.T) {
	var applied []*lab.Network
	l := recorder{udpRate{in, 1, 0}, &applied}
	p := short([]Datapath{mirred{}, direct{}}, l)
	p.Rounds = 2
	r, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(applied) != 6 || applied[0] == applied[1] || !slices.Equal(applied[:2], applied[2:4]) || !slices.Equal(applied[:2], applied[4:]) {
		t.Errorf("applied to %v", applied)
	}
	for name, want := range map[string][]float64{"mirred": {3, 5}, "direct": {4, 6}} {
		if got := r.Find(l.Name(), name, packetRate.Name).Samples; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestLatenciesAreSummarised(t *testing.T) {
	var times []time.Duration
	for i := range 10_000 {
		times = append(times, time.Duration(10_000-i)*time.Microsecond)
	}
	want := map[string]float64{
		"min": 1, "p50": 5001, "p90": 9001, "p99": 9901, "p99.9": 9991, "mean": 5000.5, "rate": 1e6 / 5000.5,
	}
	if diff := cmp.Diff(want, summarise(times), cmp.Comparer(func(a, b float64) bool { return a/b < 1+1e-9 && b/a < 1+1e-9 })); diff != "" {
		t.Error(diff)
	}
}

// Both kinds of run measure what every target is about, on its datapath and on those that it is compared with.
func TestTargetsAreMeasured(t *testing.T) {
	for name, entries := range map[string][]Entry{"quick": Quick(), "full": Full()} {
		for _, target := range new(report.Report).Results() {
			measured := slices.ContainsFunc(entries, func(e Entry) bool {
				return e.Name() == target.Load &&
					slices.ContainsFunc(e.Metrics(), func(m report.Metric) bool { return m.Name == target.Metric }) &&
					len(pick(target.Datapath)) == 1 && !slices.ContainsFunc(append(report.Baselines, target.Datapath),
					func(d string) bool { return !slices.ContainsFunc(pick(d), e.has) })
			})
			if !measured {
				t.Errorf("a %s run doesn't measure %s: %s of %s on %s", name, target.Figure, target.Metric, target.Load, target.Datapath)
			}
		}
	}
}

// No two loads or datapaths share a name, by which they are chosen and kept.
func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	note := func(name string) {
		if seen[name] {
			t.Errorf("two are called %s", name)
		}
		seen[name] = true
	}
	for _, e := range Full() {
		note(e.Name())
	}
	for _, d := range Datapaths() {
		note(d.Name())
	}
}
