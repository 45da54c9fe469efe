// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"io"
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
	p99, mean := Metric{Name: "p99", Unit: "µs"}, Metric{Name: "mean", Unit: "µs"}
	before, after := sample(), sample()
	before.Series = append(before.Series, series("tcp-rr", "tapir-tc", p99, 40, 40), series("tcp-rr", "tapir-tc", mean, 20, 20))
	after.Series = append(after.Series, series("tcp-rr", "tapir-tc", p99, 50, 50), series("tcp-rr", "tapir-tc", mean, 22, 22))
	after.Series[4] = series("tcp-rr", "tapir-tc", p50, 30, 30.2, 30.4)
	if err := Compare(&b, before, after); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "\n\n")
	want := `load    datapath             metric     before                after                 change     / kubevirt-masquerade before  after
udp-in  kubevirt-masquerade  rate Mpps  unsteady 0.25..0.5    unsteady 0.25..0.5    ?          1.00                          1.00
udp-in  mirred               rate Mpps  unsteady 0.5..1       unsteady 0.5..1       ?          2.00                          2.00
udp-in  tapir-tc             rate Mpps  unsteady 0.5..1       unsteady 0.5..1       ?          2.00                          2.00
tcp-rr  kubevirt-masquerade  p50 µs     20.1                  20.1                  +0.0 %     1.00                          1.00
tcp-rr  tapir-tc             p50 µs     15.1                  30.2                  +100.0 %   0.75                          1.50
tcp-rr  tapir-tc             p99 µs     40                    50                    +25.0 %    -                             -
`
	if diff := cmp.Diff(strings.Fields(want), strings.Fields(got)); diff != "" {
		t.Error(diff)
	}
	if err := Compare(io.Discard, sample(), &Report{}); err == nil {
		t.Error("nothing in common is no error")
	}
}
