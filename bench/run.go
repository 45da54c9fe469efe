// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tapir-vm/tapir/bench/report"
)

// A Plan is what to measure.
type Plan struct {
	Entries  []Entry
	Rounds   int
	Duration time.Duration // of one measurement
	Quick    bool          // for the record
	Log      *slog.Logger  // progress
	// Skipped are loads and datapaths that this machine has not what it takes for, with the reason: for the record.
	Skipped []report.Item
}

// datapaths are those of all entries, in the order of reports.
func (p Plan) datapaths() []Datapath {
	return slices.DeleteFunc(Datapaths(), func(d Datapath) bool {
		return !slices.ContainsFunc(p.Entries, func(e Entry) bool { return e.has(d) })
	})
}

// Run measures. Where it ends early, by ctx or because a datapath or load fails, it returns what it has with the
// error; the report then says that it is partial. It leaves nothing on the host.
func Run(ctx context.Context, p Plan) (*report.Report, error) {
	r := &report.Report{
		Facts:   report.Gather(),
		Started: time.Now().UTC(), Quick: p.Quick, Rounds: p.Rounds, Measured: p.Duration, Skipped: p.Skipped,
	}
	for _, d := range p.datapaths() {
		r.Datapaths = append(r.Datapaths, report.Item{Name: d.Name(), About: d.About()})
	}
	err := p.lookAround(ctx, r)
	if err == nil {
		err = p.run(ctx, r)
	}
	r.Took = time.Since(r.Started)
	if err != nil {
		r.Partial = err.Error()
	}
	return r, err
}

// lookAround notes what others do on the machine.
func (p Plan) lookAround(ctx context.Context, r *report.Report) error {
	c, err := startClock()
	if err != nil {
		return err
	}
	if sleep(ctx, time.Second/2) != nil {
		return ErrInterrupted
	}
	took, busy, err := c.stop()
	r.Facts.Busy = busy.Seconds() / took.Seconds() / float64(r.Facts.Processors)
	return err
}

func (p Plan) run(ctx context.Context, r *report.Report) error {
	for i, e := range p.Entries {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		p.Log.Info("measuring", "load", e.Name(), "number", i+1, "of", len(p.Entries))
		r.Loads = append(r.Loads, report.Item{Name: e.Name(), About: e.About()})
		err := p.measure(ctx, e, r)
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err != nil {
			return fmt.Errorf("load %s: %w", e.Name(), err)
		}
	}
	if len(r.Series) == 0 {
		return errUnfit
	}
	return nil
}

// ErrInterrupted says that the user ended the run.
var ErrInterrupted = errors.New("interrupted")

var errUnfit = errors.New("none of the loads can be applied to these datapaths, which lack a tap or BPF programs: choose others")

// measure applies one load to its datapaths, round by round.
func (p Plan) measure(ctx context.Context, e Entry, r *report.Report) (err error) {
	beds := make([]*bed, len(e.On))
	defer func() {
		for _, b := range beds {
			if b == nil {
				continue
			}
			r.Series = append(r.Series, b.measured()...)
			err = errors.Join(err, b.close())
		}
	}()
	var group errgroup.Group // links take up to a second to come up: side by side
	for i, d := range e.On {
		group.Go(func() (err error) {
			beds[i], err = makeBed(ctx, d, e.Load)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, b := range beds {
		if err := b.warmUp(ctx, max(p.Duration, e.Conditions().WarmUp)); err != nil {
			return fmt.Errorf("%s: %w", b.datapath.Name(), err)
		}
	}
	for range p.Rounds {
		for _, b := range beds {
			if err := b.measure(ctx, p.Duration); err != nil {
				return fmt.Errorf("%s: %w", b.datapath.Name(), err)
			}
		}
	}
	return nil
}
