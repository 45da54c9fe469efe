// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// mixed is what requests and datagrams suffer while bulk data fills the queues.
type mixed struct{}

func (mixed) Name() string { return "mixed" }
func (mixed) About() string {
	return "requests, and datagrams at 2,000/s to the guest, while it receives a TCP stream"
}

var datagramLoss = report.Metric{Name: "loss", Unit: "%"}

func (mixed) Metrics() []report.Metric {
	return []report.Metric{
		{Name: "p50", Unit: "µs"}, {Name: "p99", Unit: "µs"}, datagramLoss, throughput,
	}
}
func (mixed) Conditions() Conditions { return Conditions{MTU: normalMTU} }

func (mixed) Start(ctx context.Context, network *lab.Network) (_ Meter, err error) {
	guest, err := network.Plug(ctx)
	if err != nil {
		return nil, err
	}
	m := &mixture{requests: &transactions{peer: network.Peer, port: rrPort, client: rrClient}}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.streams, err = (tcpStream{in, 1, normalMTU}).between(network.Peer, guest); err != nil {
		return nil, err
	}
	if m.requests.server, err = serve(guest, rrPort); err != nil {
		return nil, err
	}
	m.datagrams, err = newDatagrams(network.Peer, guest)
	return m, err
}

type mixture struct {
	streams   *streams
	requests  *transactions
	datagrams *datagrams
}

func (m *mixture) Measure(ctx context.Context, d time.Duration) (map[string]float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	sample := map[string]float64{}
	var streamed, answered map[string]float64
	group.Go(func() (err error) {
		streamed, err = m.streams.Measure(ctx, d)
		return err
	})
	ramp := time.Duration(rampUp * float64(d))
	group.Go(func() (err error) {
		if err = sleep(ctx, ramp); err == nil {
			answered, err = m.requests.Measure(ctx, d)
		}
		return err
	})
	group.Go(func() (err error) {
		if err = sleep(ctx, ramp); err == nil {
			sample[datagramLoss.Name], err = m.datagrams.loss(ctx, d)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	sample[throughput.Name] = streamed[throughput.Name]
	for _, quantile := range []string{"p50", "p99"} {
		sample[quantile] = answered[quantile]
	}
	return sample, nil
}

func (m *mixture) Close() error {
	var errs []error
	if m.streams != nil {
		errs = append(errs, m.streams.Close())
	}
	if m.requests.server != nil {
		errs = append(errs, m.requests.Close())
	}
	if m.datagrams != nil {
		errs = append(errs, m.datagrams.close())
	}
	return errors.Join(errs...)
}
