// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Check writes the targets with what was measured of them, and returns how many ratios are red.
func (r *Report) Check(w io.Writer) (red int, err error) {
	if !r.hasTargets() {
		return 0, errors.New("these results have nothing to check: measure with --quick, and leave --load and --datapath out")
	}
	for _, result := range r.Results() {
		for _, o := range result.Against {
			if o.Verdict == Red {
				red++
			}
		}
	}
	return red, r.writeTargets(w)
}

// hasTargets says whether any target was measured.
func (r *Report) hasTargets() bool {
	return slices.ContainsFunc(r.Results(), func(result Result) bool {
		return slices.ContainsFunc(result.Against, func(o Outcome) bool { return o.Verdict != "" })
	})
}

// writeTargets writes a line for each target.
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
	return table.Flush()
}
