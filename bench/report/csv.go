// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/csv"
	"io"
	"strconv"
)

// WriteCSV writes a line for each sample.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	lines := [][]string{{"load", "datapath", "metric", "unit", "round", "sample", "steady"}}
	for _, s := range r.Series {
		for round, sample := range s.Samples {
			lines = append(lines, []string{
				s.Load, s.Datapath, s.Name, s.Unit, strconv.Itoa(round + 1),
				strconv.FormatFloat(sample, 'g', -1, 64), strconv.FormatBool(s.Steady),
			})
		}
	}
	return out.WriteAll(lines) // flushes
}
