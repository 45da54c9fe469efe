// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// A Report is one run. It is what `-o json` prints.
type Report struct {
	Facts    Facts         `json:"facts"`
	Started  time.Time     `json:"started"`
	Took     time.Duration `json:"tookNanoseconds"`
	Quick    bool          `json:"quick"`
	Partial  string        `json:"partial,omitempty"` // why the run ended early
	Rounds   int           `json:"rounds"`            // of a complete run
	Measured time.Duration `json:"measuredNanoseconds"`

	Datapaths []Item   `json:"datapaths"` // in the order of the table
	Loads     []Item   `json:"loads"`
	Skipped   []Item   `json:"skipped,omitempty"` // what this machine can't measure, and why
	Series    []Series `json:"series"`
}

// An Item is a datapath or a load.
type Item struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// A Metric is a figure that a load gives.
type Metric struct {
	Name           string `json:"metric"`
	Unit           string `json:"unit"`
	HigherIsBetter bool   `json:"higherIsBetter"`
}

// Find returns the series of a load, datapath and metric, or nil.
func (r *Report) Find(load, datapath, metric string) *Series {
	for i := range r.Series {
		if s := &r.Series[i]; s.Load == load && s.Datapath == datapath && s.Metric.Name == metric {
			return s
		}
	}
	return nil
}

// metrics are those of a load, in order.
func (r *Report) metrics(load string) (metrics []Metric) {
	seen := map[string]bool{}
	for _, s := range r.Series {
		if s.Load == load && !seen[s.Metric.Name] {
			seen[s.Metric.Name] = true
			metrics = append(metrics, s.Metric)
		}
	}
	return metrics
}

// tails are metrics that add little to p50 and p99 at a glance.
var tails = []string{"min", "p90", "p99.9", "mean"}

// telling are the metrics of a load that the page and comparisons are about; the table and the files have all.
func (r *Report) telling(load string) []Metric {
	return slices.DeleteFunc(r.metrics(load), func(m Metric) bool { return slices.Contains(tails, m.Name) })
}

// Read reads what WriteJSON wrote.
func Read(path string) (*Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	r := &Report{}
	err = json.Unmarshal(data, r)
	if err == nil && (len(r.Series) == 0 || slices.ContainsFunc(r.Series, func(s Series) bool { return len(s.Samples) == 0 })) {
		err = errors.New("figures are missing")
	}
	if err != nil {
		return nil, fmt.Errorf("reading results from %s: %w: want what tapir bench -o json writes", path, err)
	}
	for i := range r.Series {
		r.Series[i].summarise()
	}
	return r, nil
}

// WriteJSON writes all of it.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
