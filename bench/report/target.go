// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// A target is what Tapir's figure should be in relation to the baselines'. All of them are in targets.json.
type target struct {
	Figure   string           `json:"figure"`
	Load     string           `json:"load"`
	Metric   string           `json:"metric"`
	Datapath string           `json:"datapath"`
	Against  map[string]bound `json:"against"` // by baseline
}

// A bound of a ratio. Target is what is promised; yellow and red leave room for what a short run may be off. Where
// less of a figure is better, so it is here.
type bound struct {
	Target float64 `json:"target"`
	Yellow float64 `json:"yellow"`
	Red    float64 `json:"red"`
}

//go:embed targets.json
var targetsText []byte

var targets = func() (list []target) {
	if err := json.Unmarshal(targetsText, &list); err != nil {
		panic(fmt.Sprintf("targets.json: %v", err)) // built in, and parsed by every test
	}
	return list
}()

// A Verdict on a ratio. To warn or to fail takes three quarters of the rounds: noise alone does neither. So does meeting
// the target, unless the rounds agree well enough for their median to be quoted.
type Verdict string

// Verdicts, the best first.
const (
	Met      Verdict = "met"
	Missed   Verdict = "missed"   // but not so far that it warns
	Unsteady Verdict = "unsteady" // the rounds disagree about it
	Yellow   Verdict = "yellow"   // warns
	Red      Verdict = "red"      // fails
)

// Verdicts are all there are, in order.
var Verdicts = []Verdict{Met, Missed, Unsteady, Yellow, Red}

func (b bound) judge(r Ratio, higherIsBetter bool) Verdict {
	best, worst, reaches := r.Low, r.High, func(x, limit float64) bool { return x <= limit }
	if higherIsBetter {
		best, worst, reaches = r.High, r.Low, func(x, limit float64) bool { return x >= limit }
	}
	switch {
	case reaches(worst, b.Target), r.Steady && reaches(r.Median, b.Target):
		return Met
	case !reaches(best, b.Red):
		return Red
	case !reaches(best, b.Yellow):
		return Yellow
	case !r.Steady && reaches(best, b.Target):
		return Unsteady
	}
	return Missed
}

// A Result is a target and what was measured of it.
type Result struct {
	Figure, Load, Metric, Datapath string
	Against                        []Outcome // for each of [Baselines]
}

// An Outcome is a ratio beside its target.
type Outcome struct {
	Base    string
	Ratio   Ratio
	Target  string  // with the sign that says on which side of it is good
	Verdict Verdict // empty: not measured
}

// Is shows the ratio with what the middle half of the rounds spans: that alone where they disagree.
func (o Outcome) Is() string {
	switch {
	case o.Verdict == "":
		return "-"
	case !o.Ratio.Steady:
		return fmt.Sprintf("%.2f..%.2f", o.Ratio.Low, o.Ratio.High)
	}
	return fmt.Sprintf("%.2f (%.2f..%.2f)", o.Ratio.Median, o.Ratio.Low, o.Ratio.High)
}

// Results are all targets, those that were not measured too.
func (r *Report) Results() (results []Result) {
	for _, t := range targets {
		result := Result{Figure: t.Figure, Load: t.Load, Metric: t.Metric, Datapath: t.Datapath}
		for _, base := range Baselines {
			result.Against = append(result.Against, r.outcome(t, base))
		}
		results = append(results, result)
	}
	return results
}

func (r *Report) outcome(t target, base string) Outcome {
	b := t.Against[base]
	o := Outcome{Base: base}
	s, other := r.Find(t.Load, t.Datapath, t.Metric), r.Find(t.Load, base, t.Metric)
	if s == nil || other == nil {
		o.Target = fmt.Sprintf("%.2f", b.Target)
		return o
	}
	sign := "≤"
	if s.HigherIsBetter {
		sign = "≥"
	}
	o.Target = fmt.Sprintf("%s %.2f", sign, b.Target)
	var valid bool
	if o.Ratio, valid = s.Over(other); valid {
		o.Verdict = b.judge(o.Ratio, s.HigherIsBetter)
	}
	return o
}
