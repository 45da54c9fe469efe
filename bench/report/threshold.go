// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A threshold bounds the ratio of Tapir's figure to a baseline's. Beyond yellow is a warning, beyond red a failure.
// Where less is better, so it is for the bounds.
type threshold struct {
	load, metric, base string
	yellow, red        float64
}

const checked = "tapir-tc"

// thresholds: yellow is what Tapir promises, red leaves room for what one run on a shared machine may be off.
var thresholds = []threshold{
	{"udp-in", "rate", "kubevirt-masquerade", 2.0, 1.6},
	{"udp-in", "rate", "mirred", 0.97, 0.8},
	{"udp-out", "rate", "kubevirt-masquerade", 2.1, 1.7},
	{"udp-out", "rate", "mirred", 0.97, 0.8},
	{"udp-out", "cpu", "kubevirt-masquerade", 0.48, 0.6},
	{"udp-in-500000-roomy", "rate", "kubevirt-masquerade", 4.0, 2.0},
	{"udp-in-500000-roomy", "rate", "mirred", 0.85, 0.5},
	{"tcp-stream-in-1", "throughput", "kubevirt-masquerade", 1.05, 0.9},
	{"tcp-stream-in-1", "throughput", "mirred", 0.98, 0.85},
	{"tcp-stream-out-1", "throughput", "kubevirt-masquerade", 1.05, 0.9},
	{"tcp-stream-out-1", "throughput", "mirred", 0.98, 0.85},
	{"tcp-stream-out-1", "cpu", "kubevirt-masquerade", 0.95, 1.1},
	{"tcp-rr", "p50", "kubevirt-masquerade", 0.9, 1.0},
	{"tcp-rr", "p50", "mirred", 1.03, 1.2},
	{"tcp-rr", "p99", "kubevirt-masquerade", 0.8, 1.1},
	{"tcp-crr", "rate", "kubevirt-masquerade", 1.6, 1.2},
	{"tcp-crr", "rate", "mirred", 0.97, 0.85},
}

// Check writes a line for each threshold that the report has figures for, and returns how many are red. What is
// unsteady is neither: it says nothing.
func (r *Report) Check(w io.Writer) (red int, err error) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "verdict\tload\tmetric\tratio to\tis\tyellow\tred")
	found := 0
	for _, t := range thresholds {
		s, base := r.Find(t.load, checked, t.metric), r.Find(t.load, t.base, t.metric)
		if s == nil || base == nil {
			continue
		}
		found++
		ratio, _ := s.Over(base)
		verdict := t.verdict(ratio, s.HigherIsBetter)
		if verdict == "red" {
			red++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\n", verdict, t.load, t.metric, t.base, ratio.Median, t.yellow, t.red)
	}
	if found == 0 {
		return 0, fmt.Errorf("these results have nothing to check: measure at least %s, %s and %s",
			checked, Baselines[0], Baselines[1])
	}
	return red, table.Flush()
}

func (t threshold) verdict(r Ratio, higherIsBetter bool) string {
	misses := func(bound float64) bool {
		if higherIsBetter {
			return r.Median < bound
		}
		return r.Median > bound
	}
	switch {
	case !r.Steady:
		return "unsteady"
	case misses(t.red):
		return "red"
	case misses(t.yellow):
		return "yellow"
	}
	return "green"
}
