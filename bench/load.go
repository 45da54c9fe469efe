// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// A Load is something to do to a guest's network, and figures to take of it. Each kind is one small file;
// [Full] lists them.
type Load interface {
	// Name is what the command line and reports call it.
	Name() string
	// About says in a line what it does.
	About() string
	// Metrics are what Measure measures, the most telling one first.
	Metrics() []report.Metric
	Conditions() Conditions
	// Start puts both ends in place. It returns an error that wraps [lab.ErrNoTap] where the load needs a tap and
	// there is none.
	Start(ctx context.Context, network *lab.Network) (Meter, error)
}

// A Meter is a load that can be applied again and again.
type Meter interface {
	// Measure applies the load for about d, and returns a value for each metric, by name; a metric that
	// this machine can't measure is left out.
	Measure(ctx context.Context, d time.Duration) (map[string]float64, error)
	// Close ends both ends.
	Close() error
}

// Directions of a load, from the guest's view.
const (
	in  = "in"
	out = "out"
)
