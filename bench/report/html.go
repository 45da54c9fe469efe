// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"number": Number}).Parse(pageText))

// WriteHTML writes a page that needs nothing else, with the targets, and charts for each load.
func (r *Report) WriteHTML(w io.Writer) error {
	return page.Execute(w, struct {
		*Report
		Baselines []string
		Figures   []figure
		Busy      bool
	}{r, Baselines, r.figures(), r.Facts.Busy > tooBusy})
}

// A figure is a load with its charts. Those that no target is about are folded away.
type figure struct {
	Load   Item
	Open   bool
	Charts []chart
}

// A chart has a bar for each datapath.
type chart struct {
	Metric Metric
	Bars   []bar
}

// A bar is as wide as a series' median. Lengths are in thousandths of the widest.
type bar struct {
	*Series
	Tapir            bool
	Width, Low, High float64
	Ratios           []string // for each of [Baselines]
}

func (r *Report) figures() (figures []figure) {
	for _, load := range r.Loads {
		f := figure{Load: load}
		f.Open = slices.ContainsFunc(targets, func(t target) bool { return t.Load == load.Name })
		for _, m := range r.telling(load.Name) {
			f.Charts = append(f.Charts, r.chart(load.Name, m))
		}
		if len(f.Charts) > 0 {
			figures = append(figures, f)
		}
	}
	return figures
}

func (r *Report) chart(load string, m Metric) chart {
	c := chart{Metric: m}
	longest := 0.0
	for _, d := range r.Datapaths {
		if s := r.Find(load, d.Name, m.Name); s != nil {
			c.Bars = append(c.Bars, r.bar(s))
			longest = max(longest, s.Max)
		}
	}
	for i := range c.Bars {
		if b := &c.Bars[i]; longest > 0 {
			b.Width, b.Low, b.High = 1000*b.Median/longest, 1000*b.Min/longest, 1000*b.Max/longest
		}
	}
	return c
}

func (r *Report) bar(s *Series) bar {
	b := bar{Series: s, Tapir: strings.HasPrefix(s.Datapath, "tapir")}
	for _, base := range Baselines {
		ratio := r.ratioCell(s.Load, s.Datapath, base, s.Name)
		if _, err := strconv.ParseFloat(ratio, 64); err == nil {
			ratio = "×" + ratio
		}
		b.Ratios = append(b.Ratios, ratio)
	}
	return b
}
