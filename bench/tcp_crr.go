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

// tcpCRR is a connection for each request.
type tcpCRR struct{}

func (tcpCRR) Name() string             { return "tcp-crr" }
func (tcpCRR) About() string            { return "the same with a new connection for each" }
func (tcpCRR) Metrics() []report.Metric { return latencyMetrics }
func (tcpCRR) Conditions() Conditions   { return Conditions{MTU: normalMTU} }

const crrPort = 5003

func (tcpCRR) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	m := &transactions{peer: network.Peer, port: crrPort, client: crrClient}
	return m, m.start(ctx, network)
}

func crrClient(to netip.AddrPort, more func() bool, took func(time.Duration)) error {
	for more() {
		start := time.Now()
		fd, err := connect(to)
		if err != nil {
			return err
		}
		if err := errors.Join(exchange(fd), unix.Close(fd)); err != nil {
			return err
		}
		took(time.Since(start))
	}
	return nil
}
