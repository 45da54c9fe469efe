// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// guestRR is tcpRR with a real guest.
type guestRR struct{}

func (guestRR) Name() string { return "guest-rr" }
func (guestRR) About() string {
	return "requests to a QEMU guest and their answers, one byte each, on one connection"
}
func (guestRR) Metrics() []report.Metric { return latencyMetrics }
func (guestRR) Conditions() Conditions   { return Conditions{MTU: normalMTU} }
func (guestRR) Lacks() error             { return guestLacks() }

func (guestRR) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	if err := boot(ctx, network); err != nil {
		return nil, err
	}
	return &transactions{peer: network.Peer, port: echoPort, client: rrClient}, nil
}
