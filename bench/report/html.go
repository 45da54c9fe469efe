// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// WriteHTML writes a page that needs nothing else, with a chart for each load and the metrics that charts are for.
func (r *Report) WriteHTML(w io.Writer) error {
	return page.Execute(w, struct {
		*Report
		Baselines []string
		Charts    []chart
		Busy      bool
	}{r, Baselines, r.charts(), r.Facts.Busy > tooBusy})
}

// A chart has a bar for each datapath. Lengths are in the units of its SVG view box.
type chart struct {
	Load   Item
	Metric Metric
	Height int
	Bars   []bar
}

type bar struct {
	Datapath, Class, Label           string
	Steady                           bool
	Width, Low, High, LabelX         float64
	Y, TextY, TopY, MiddleY, BottomY int
}

const (
	barsFrom = 205.0
	barsWide = 480.0
	pitch    = 26
)

// charts are those of each load's first metric, and of how the slowest requests fare.
func (r *Report) charts() (charts []chart) {
	for _, load := range r.Loads {
		for i, m := range r.metrics(load.Name) {
			if i == 0 || m.Name == "p99" || m.Name == "cpu" {
				charts = append(charts, r.chart(load, m))
			}
		}
	}
	return charts
}

func (r *Report) chart(load Item, m Metric) chart {
	c := chart{Load: load, Metric: m}
	longest := 0.0
	for _, d := range r.Datapaths {
		if s := r.Find(load.Name, d.Name, m.Name); s != nil {
			longest = max(longest, s.Max)
		}
	}
	for _, d := range r.Datapaths {
		if s := r.Find(load.Name, d.Name, m.Name); s != nil {
			c.Bars = append(c.Bars, r.bar(s, barsWide/longest, len(c.Bars)*pitch))
		}
	}
	c.Height = len(c.Bars) * pitch
	return c
}

func (r *Report) bar(s *Series, scale float64, y int) bar {
	b := bar{
		Datapath: s.Datapath, Steady: s.Steady,
		Label: r.label(s),
		Width: s.Median * scale, Low: barsFrom + s.Min*scale, High: barsFrom + s.Max*scale,
		Y: y + 4, TextY: y + 17, TopY: y + 8, MiddleY: y + 12, BottomY: y + 16,
	}
	b.LabelX = b.High + 10
	if strings.HasPrefix(s.Datapath, "tapir") {
		b.Class = "tapir"
	}
	return b
}

func (r *Report) label(s *Series) string {
	if !s.Steady {
		return fmt.Sprintf("unsteady: %s to %s", Number(s.Min), Number(s.Max))
	}
	var ratios []string
	for _, base := range Baselines {
		ratio := r.ratioCell(s.Load, s.Datapath, base, s.Name)
		if _, err := strconv.ParseFloat(ratio, 64); err == nil {
			ratio = "×" + ratio
		}
		ratios = append(ratios, ratio)
	}
	return Number(s.Median) + "   " + strings.Join(ratios, " / ")
}
