// SPDX-License-Identifier: Apache-2.0

package report

import "slices"

// maxSpread is how far the middle half of the rounds may reach, relative to their median.
const maxSpread = 0.2

// A Series is one metric of one load on one datapath, a sample for each round.
type Series struct {
	Load     string `json:"load"`
	Datapath string `json:"datapath"`
	Metric
	Samples []float64 `json:"samples"`

	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Steady bool    `json:"steady"` // the rounds agree: the median may be quoted
}

// Add adds a round's sample.
func (s *Series) Add(sample float64) {
	s.Samples = append(s.Samples, sample)
	s.summarise()
}

func (s *Series) summarise() {
	s.Median, s.Min, s.Max = quantile(s.Samples, 0.5), slices.Min(s.Samples), slices.Max(s.Samples)
	spread := quantile(s.Samples, 0.75) - quantile(s.Samples, 0.25)
	s.Steady = len(s.Samples) > 1 && spread <= maxSpread*s.Median
}

// A Ratio says how a series relates to another one.
type Ratio struct {
	Median    float64
	Low, High float64 // the middle half of the rounds is between them
	Steady    bool
}

// Over is the ratio of s to base, round by round; it is not valid without common rounds.
func (s *Series) Over(base *Series) (r Ratio, valid bool) {
	rounds := Series{}
	for i := range min(len(s.Samples), len(base.Samples)) {
		if base.Samples[i] > 0 {
			rounds.Samples = append(rounds.Samples, s.Samples[i]/base.Samples[i])
		}
	}
	if len(rounds.Samples) == 0 {
		return Ratio{}, false
	}
	rounds.summarise()
	return Ratio{
		Median: rounds.Median,
		Low:    quantile(rounds.Samples, 0.25), High: quantile(rounds.Samples, 0.75),
		Steady: rounds.Steady,
	}, true
}

// quantile interpolates between the samples.
func quantile(samples []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
