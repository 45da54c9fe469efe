// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// tcpRR is one byte there and one back, over one connection.
type tcpRR struct{}

func (tcpRR) Name() string { return "tcp-rr" }
func (tcpRR) About() string {
	return "requests to the guest and their answers, one byte each, on one connection"
}
func (tcpRR) Metrics() []report.Metric { return latencyMetrics }
func (tcpRR) Conditions() Conditions   { return Conditions{MTU: normalMTU} }

const rrPort = 5002

func (tcpRR) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	m := &transactions{peer: network.Peer, port: rrPort, client: rrClient}
	return m, m.start(ctx, network)
}

func rrClient(to netip.AddrPort, more func() bool, took func(time.Duration)) (err error) {
	fd, err := connect(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	for more() {
		start := time.Now()
		if err := exchange(fd); err != nil {
			return err
		}
		took(time.Since(start))
	}
	return nil
}
