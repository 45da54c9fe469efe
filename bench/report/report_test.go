// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func series(load, datapath string, m Metric, samples ...float64) Series {
	s := Series{Load: load, Datapath: datapath, Metric: m}
	for _, x := range samples {
		s.Add(x)
	}
	return s
}

var (
	rate = Metric{Name: "rate", Unit: "Mpps", HigherIsBetter: true}
	p50  = Metric{Name: "p50", Unit: "µs"}
)

// sample is a run in which the machine was half as fast in the second round of udp-in.
func sample() *Report {
	return &Report{
		Started: time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC), Rounds: 3, Measured: time.Second,
		Datapaths: []Item{{"kubevirt-masquerade", "k"}, {"mirred", "m"}, {"tapir-tc", "t"}},
		Loads:     []Item{{"udp-in", "packets <64 B>"}, {"tcp-rr", "requests"}},
		Series: []Series{
			series("udp-in", "kubevirt-masquerade", rate, 0.5, 0.25, 0.5),
			series("udp-in", "mirred", rate, 1, 0.5, 1),
			series("udp-in", "tapir-tc", rate, 1, 0.5, 1),
			series("tcp-rr", "kubevirt-masquerade", p50, 20, 20.2, 20.1),
			series("tcp-rr", "tapir-tc", p50, 15, 15.1, 15.2),
		},
	}
}

func TestRatiosOutliveADisturbance(t *testing.T) {
	r := sample()
	s, base := r.Find("udp-in", "tapir-tc", "rate"), r.Find("udp-in", "kubevirt-masquerade", "rate")
	if s.Steady {
		t.Errorf("%v is called steady", s.Samples)
	}
	got, valid := s.Over(base)
	if want := (Ratio{2, 2, 2, true}); !valid || got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSteady(t *testing.T) {
	for name, c := range map[string]struct {
		samples []float64
		want    bool
	}{
		"one sample":    {[]float64{1}, false},
		"equal":         {[]float64{1, 1, 1}, true},
		"one is far":    {[]float64{1, 1, 5, 1, 1}, true},
		"they disagree": {[]float64{1, 1.5, 2, 2.5, 3}, false},
	} {
		if s := series("l", "d", rate, c.samples...); s.Steady != c.want {
			t.Errorf("%s: got %v, want %v", name, s.Steady, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "udp-in: ")
	got, targets, _ := strings.Cut(got, "\nTargets")
	want := `packets <64 B>
datapath             rate Mpps (min..max)  / kubevirt-masquerade  / mirred
kubevirt-masquerade  unsteady 0.25..0.5    1.00                   0.50
mirred               unsteady 0.5..1       2.00                   1.00
tapir-tc             unsteady 0.5..1       2.00                   1.00

tcp-rr: requests
datapath             p50 µs (min..max)  / kubevirt-masquerade  / mirred
kubevirt-masquerade  20.1 (20..20.2)    1.00                   -
tapir-tc             15.1 (15..15.2)    0.75                   -
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{
		"2.00 (2.00..2.00)      ≥ 2.00  met  1.00 (1.00..1.00)  ≥ 0.97  met", // udp-in
		"tapir-xdp   -                      4.20         -                  2.10",
	} {
		if !strings.Contains(targets, want) {
			t.Errorf("want %q in\n%s", want, targets)
		}
	}
}

// Three quarters of the rounds make a verdict; noise doesn't.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		tapir []float64
		want  string
		red   int
	}{
		"met":                {[]float64{17, 17, 17, 17}, "met", 0},
		"missed":             {[]float64{18.6, 18.6, 18.6, 18.6}, "missed", 0},
		"yellow":             {[]float64{20, 20, 20, 20}, "yellow", 0},
		"red":                {[]float64{30, 30, 30, 30}, "red", 1},
		"half of it is red":  {[]float64{30, 18.6, 30, 18.6}, "missed", 0},
		"half of it is met":  {[]float64{15, 30, 15, 18.2}, "unsteady", 0},
		"red by one of five": {[]float64{15, 15, 15, 15, 60}, "met", 0},
	} {
		r := &Report{Series: []Series{
			series("tcp-rr", "kubevirt-masquerade", p50, 20, 20, 20, 20, 20), series("tcp-rr", "tapir-tc", p50, c.tapir...),
		}}
		var b bytes.Buffer
		red, err := r.Check(&b)
		summary := "ratios: 1 " + c.want + ", 25 not measured\n"
		if err != nil || red != c.red || !strings.Contains(b.String(), "  "+c.want+"  ") || !strings.HasSuffix(b.String(), summary) {
			t.Errorf("%s: %d red, %v\n%s", name, red, err, b.String())
		}
	}
	if _, err := (&Report{}).Check(io.Discard); err == nil {
		t.Error("nothing to check is no error")
	}
}

// Each target names both baselines, and its bounds are in order.
func TestTargets(t *testing.T) {
	for _, target := range targets {
		for _, base := range Baselines {
			b, found := target.Against[base]
			if up := b.Target >= b.Yellow && b.Yellow > b.Red; !found || !up && !(b.Target <= b.Yellow && b.Yellow < b.Red) {
				t.Errorf("%s against %s: %+v", target.Figure, base, b)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	var b bytes.Buffer
	after := sample()
	after.Series[4] = series("tcp-rr", "tapir-tc", p50, 30, 30.2, 30.4)
	if err := Compare(&b, sample(), after); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"+100.0 %", "0.75", "1.50"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, b.String())
		}
	}
	if err := Compare(io.Discard, sample(), &Report{}); err == nil {
		t.Error("nothing in common is no error")
	}
}

func TestSave(t *testing.T) {
	r := sample()
	r.Partial = "interrupted"
	directory := filepath.Join(t.TempDir(), "new")
	if err := Prepare(directory); err != nil {
		t.Fatal(err)
	}
	stem, err := r.Save(directory)
	if err != nil {
		t.Fatal(err)
	}
	if want := "2026-11-23T160000Z-partial"; filepath.Base(stem) != want {
		t.Errorf("got %s, want %s", stem, want)
	}
	back, err := Read(stem + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
	lines, err := os.ReadFile(stem + ".csv")
	if err != nil || bytes.Count(lines, []byte("\n")) != 1+15 {
		t.Errorf("want a header and a line for each sample: %v\n%s", err, lines)
	}
	html, err := os.ReadFile(stem + ".html")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Partial results: interrupted", "packets &lt;64 B&gt;", "×0.75"} {
		if !bytes.Contains(html, []byte(want)) {
			t.Errorf("want %q in the page", want)
		}
	}
	_, svg, _ := strings.Cut(string(html), "<svg")
	svg, _, _ = strings.Cut("<svg"+svg, "</svg>")
	if err := xml.Unmarshal([]byte(svg+"</svg>"), new(struct{})); err != nil {
		t.Errorf("the chart isn't well-formed: %v", err)
	}
}

// The page tells what is met, opens what targets are about, and draws nothing out of its bounds.
func TestPage(t *testing.T) {
	r := sample()
	r.Loads = append(r.Loads, Item{"extra", "of no target"})
	r.Series = append(r.Series,
		series("extra", "tapir-tc", Metric{Name: "loss", Unit: "%"}, 0, 0),
		series("extra", "tapir-tc", Metric{Name: "p99.9", Unit: "µs"}, 1, 1))
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		"Targets: 3 met, 23 not measured",
		`<details open><summary><h3>udp-in</h3>`,
		`<details><summary><h3>extra</h3>`,
		`<td class="median"><span class="unsteady">unsteady</span></td><td class="spread">0.5–1</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q in the page", want)
		}
	}
	for _, unwanted := range []string{"NaN", "p99.9"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("%q is in the page", unwanted)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	for name, text := range map[string]string{
		"a table": "load,datapath\n", "another document": `{"kind": "List"}`, "a series without samples": `{"series": [{"load": "l"}]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error about %s", name, err, path)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want %v", err, fs.ErrNotExist)
	}
}
