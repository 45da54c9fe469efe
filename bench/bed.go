// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// A bed is a datapath in a network of its own, with a load at its ends.
type bed struct {
	datapath Datapath
	network  *lab.Network
	meter    Meter // nil: the load needs what this datapath hasn't
	series   []report.Series
}

func makeBed(ctx context.Context, d Datapath, l Load) (*bed, error) {
	network, err := lab.New(l.Conditions().MTU)
	if err != nil {
		return nil, err
	}
	b := &bed{datapath: d, network: network}
	if network.Guest, err = d.Join(network, l.Conditions()); err == nil {
		b.meter, err = l.Start(ctx, network)
	}
	if errors.Is(err, lab.ErrNoTap) || errors.Is(err, errNoProgram) {
		return b, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", d.Name(), err), network.Close())
	}
	for _, m := range l.Metrics() {
		b.series = append(b.series, report.Series{Load: l.Name(), Datapath: d.Name(), Metric: m})
	}
	return b, nil
}

// warmUp applies the load for nothing. Nothing may come through at first: a bridge forwards to a tap only once the
// kernel has noticed that somebody opened it, which it looks for once a second.
func (b *bed) warmUp(ctx context.Context, d time.Duration) error {
	if b.meter == nil {
		return nil
	}
	for deadline := time.Now().Add(patience); ; {
		_, err := b.meter.Measure(ctx, d)
		if !errors.Is(err, errNothing) || time.Now().After(deadline) {
			return err
		}
	}
}

// measure does one round.
func (b *bed) measure(ctx context.Context, d time.Duration) error {
	if b.meter == nil {
		return nil
	}
	sample, err := b.meter.Measure(ctx, d)
	if err != nil {
		return err
	}
	for i := range b.series {
		if value, measured := sample[b.series[i].Metric.Name]; measured {
			b.series[i].Add(value)
		}
	}
	return nil
}

// measured are the series that have samples.
func (b *bed) measured() (series []report.Series) {
	for _, s := range b.series {
		if len(s.Samples) > 0 {
			series = append(series, s)
		}
	}
	return series
}

func (b *bed) close() error {
	var err error
	if b.meter != nil {
		err = b.meter.Close()
	}
	return errors.Join(err, b.network.Close())
}
