// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Check writes where the figures are from and the targets with what was measured of them, and returns how many ratios are
// red.
func (r *Report) Check(w io.Writer) (red int, err error) {
	if !r.hasTargets() {
		return 0, errors.New("these results have nothing to check: measure with --quick, and leave --load and --datapath out")
	}
	r.writeFacts(w)
	fmt.Fprintln(w)
	return r.count(Red), r.writeTargets(w)
}

// hasTargets says whether any target was measured.
func (r *Report) hasTargets() bool {
	return slices.ContainsFunc(Verdicts, func(v Verdict) bool { return r.count(v) > 0 })
}

// count is how many ratios have a verdict; the empty one: are not measured.
func (r *Report) count(v Verdict) (n int) {
	for _, result := range r.Results() {
		for _, o := range result.Against {
			if o.Verdict == v {
				n++
			}
		}
	}
	return n
}

// Summary says how many ratios have which verdict.
func (r *Report) Summary() string {
	var parts []string
	for _, v := range Verdicts {
		if n := r.count(v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if n := r.count(""); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not measured", n))
	}
	return strings.Join(parts, ", ")
}

// writeTargets writes a line for each target, and how many of them are met.
func (r *Report) writeTargets(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "figure\tdatapath")
	for _, base := range Baselines {
		fmt.Fprintf(table, "\t/ %s\ttarget\t", base)
	}
	fmt.Fprintln(table)
	for _, result := range r.Results() {
		fmt.Fprintf(table, "%s\t%s", result.Figure, result.Datapath)
		for _, o := range result.Against {
			fmt.Fprintf(table, "\t%s\t%s\t%s", o.Is(), o.Target, o.Verdict)
		}
		fmt.Fprintln(table)
	}
	fmt.Fprintf(table, "\nratios: %s\n", r.Summary())
	return table.Flush()
}
