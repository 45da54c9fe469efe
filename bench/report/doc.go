// SPDX-License-Identifier: Apache-2.0

// Package report holds what a run of the performance harness found, and shows it: as a table, JSON, CSV and
// a page with charts; compared with another run; checked against thresholds.
//
// A figure is the median of the rounds, with the smallest and largest. Rounds of all datapaths are
// interleaved, so a ratio is the median of the rounds' own ratios: what disturbs the machine for a while
// disturbs both sides of it. A figure whose rounds disagree (see [Series.Steady]) is not reported as a number; its
// samples are kept.
package report
