// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Baselines are the datapaths that all are compared with.
var Baselines = []string{"kubevirt-masquerade", "mirred"}

// tooBusy is the share of the processors that other programs may use before figures are in doubt.
const tooBusy = 0.1

// WriteTable writes a table for each load: medians, the most telling one with its smallest and largest
// sample, and its ratio to the baselines; and after them the table of targets.
func (r *Report) WriteTable(w io.Writer) error {
	out := bufio.NewWriter(w)
	r.writeFacts(out)
	for _, load := range r.Loads {
		metrics := r.metrics(load.Name)
		if len(metrics) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s: %s\n", load.Name, load.About)
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, strings.Join(r.header(metrics), "\t"))
		for _, d := range r.Datapaths {
			if r.Find(load.Name, d.Name, metrics[0].Name) != nil {
				fmt.Fprintln(table, strings.Join(r.row(load.Name, d.Name, metrics), "\t"))
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "\nnot measured: %s: %s\n", s.Name, s.About)
	}
	if !r.hasTargets() {
		return out.Flush()
	}
	fmt.Fprintln(out, "\nTargets: median of the rounds' ratios, and what the middle half of them spans")
	if err := r.writeTargets(out); err != nil {
		return err
	}
	return out.Flush()
}

func (r *Report) writeFacts(w io.Writer) {
	f := r.Facts
	fmt.Fprintf(w, "%s, %d processors, %d MiB, Linux %s, load %s\n",
		f.Machine, f.Processors, f.MemoryMiB, f.Kernel, f.Load)
	fmt.Fprintf(w, "revision %s, %s, %s: %d rounds of %s in %s\n",
		f.Revision, f.Go, r.Started.Format(time.DateTime), r.Rounds, r.Measured, r.Took.Round(time.Second))
	if f.Busy > tooBusy {
		fmt.Fprintf(w, "BUSY: other programs used %.0f %% of the processors before the run: quote nothing of this\n", 100*f.Busy)
	}
	if r.Partial != "" {
		fmt.Fprintf(w, "PARTIAL: %s\n", r.Partial)
	}
}

func (r *Report) header(metrics []Metric) []string {
	header := []string{"datapath"}
	for i, m := range metrics {
		title := m.Name + " " + m.Unit
		if i == 0 {
			title += " (min..max)"
		}
		header = append(header, title)
	}
	for _, base := range Baselines {
		header = append(header, "/ "+base)
	}
	return header
}

func (r *Report) row(load, datapath string, metrics []Metric) []string {
	row := []string{datapath}
	for i, m := range metrics {
		row = append(row, r.cell(load, datapath, m.Name, i == 0))
	}
	for _, base := range Baselines {
		row = append(row, r.ratioCell(load, datapath, base, metrics[0].Name))
	}
	return row
}

func (r *Report) cell(load, datapath, metric string, spread bool) string {
	s := r.Find(load, datapath, metric)
	switch {
	case s == nil:
		return "-"
	case !s.Steady:
		return fmt.Sprintf("unsteady %s..%s", Number(s.Min), Number(s.Max))
	case spread:
		return fmt.Sprintf("%s (%s..%s)", Number(s.Median), Number(s.Min), Number(s.Max))
	}
	return Number(s.Median)
}

func (r *Report) ratioCell(load, datapath, base, metric string) string {
	s, b := r.Find(load, datapath, metric), r.Find(load, base, metric)
	if s == nil || b == nil {
		return "-"
	}
	ratio, valid := s.Over(b)
	switch {
	case !valid:
		return "-"
	case !ratio.Steady:
		return "unsteady"
	}
	return strconv.FormatFloat(ratio.Median, 'f', 2, 64)
}

// Number shows three digits, or all before the point.
func Number(x float64) string {
	if x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}
