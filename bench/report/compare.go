// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Compare writes how the figures of each load changed from one run to another: for each datapath the medians, and their
// ratio to the first baseline, which says more where the runs are of different machines or days.
func Compare(w io.Writer, before, after *Report) error {
	fmt.Fprintf(w, "before: ")
	before.writeFacts(w)
	fmt.Fprintf(w, "after:  ")
	after.writeFacts(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	base := Baselines[0]
	fmt.Fprintf(table, "\nload\tdatapath\tmetric\tbefore\tafter\tchange\t/ %s before\tafter\n", base)
	common := 0
	for _, s := range after.Series {
		old := before.Find(s.Load, s.Datapath, s.Metric.Name)
		if old == nil || !slices.Contains(after.telling(s.Load), s.Metric) {
			continue
		}
		common++
		fmt.Fprintln(table, strings.Join([]string{
			s.Load, s.Datapath, s.Metric.Name + " " + s.Unit,
			before.cell(s.Load, s.Datapath, s.Metric.Name, false),
			after.cell(s.Load, s.Datapath, s.Metric.Name, false),
			change(old, &s),
			before.ratioCell(s.Load, s.Datapath, base, s.Metric.Name),
			after.ratioCell(s.Load, s.Datapath, base, s.Metric.Name),
		}, "\t"))
	}
	if common == 0 {
		return fmt.Errorf("the two runs have no load and datapath in common: measure again with the same --load and --datapath")
	}
	return table.Flush()
}

func change(old, s *Series) string {
	if !old.Steady || !s.Steady || old.Median == 0 {
		return "?"
	}
	return fmt.Sprintf("%+.1f %%", (s.Median/old.Median-1)*100)
}
