// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

var latencyMetrics = []report.Metric{
	{Name: "p50", Unit: "µs"},
	{Name: "rate", Unit: "1/s", HigherIsBetter: true},
	{Name: "min", Unit: "µs"},
	{Name: "p90", Unit: "µs"},
	{Name: "p99", Unit: "µs"},
	{Name: "p99.9", Unit: "µs"},
	{Name: "mean", Unit: "µs"},
}

// transactions measures how long each request of a client takes, one after the other.
type transactions struct {
	peer   *lab.Namespace
	port   uint16
	server *server // nil: the guest has its own
	// client makes requests while more says so, and tells how long each took.
	client func(to netip.AddrPort, more func() bool, took func(time.Duration)) error
}

func (m *transactions) start(ctx context.Context, network *lab.Network) error {
	guest, err := network.Plug(ctx)
	if err != nil {
		return err
	}
	m.server, err = serve(guest, m.port)
	return err
}

func (m *transactions) Close() error {
	if m.server == nil {
		return nil
	}
	return m.server.Close()
}

func (m *transactions) Measure(ctx context.Context, d time.Duration) (map[string]float64, error) {
	const fastest = 5 * time.Microsecond
	times := make([]time.Duration, 0, d/fastest)
	var start time.Time // once a slow guest is connected to
	more := func() bool {
		if start.IsZero() {
			start = time.Now()
		}
		return ctx.Err() == nil && time.Since(start) < d
	}
	err := m.peer.On(lab.PeerCPU, func() error {
		return m.client(netip.AddrPortFrom(lab.Pod.Addr(), m.port), more,
			func(took time.Duration) { times = append(times, took) })
	})
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(times) == 0 {
		return nil, errNothing
	}
	return summarise(times), nil
}

// summarise sorts the times.
func summarise(times []time.Duration) map[string]float64 {
	slices.Sort(times)
	var total time.Duration
	for _, t := range times {
		total += t
	}
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	quantile := func(q float64) float64 { return us(times[min(int(q*float64(len(times))), len(times)-1)]) }
	return map[string]float64{
		"rate":  float64(len(times)) / total.Seconds(),
		"min":   us(times[0]),
		"p50":   quantile(0.5),
		"p90":   quantile(0.9),
		"p99":   quantile(0.99),
		"p99.9": quantile(0.999),
		"mean":  us(total) / float64(len(times)),
	}
}
