// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"os"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
	"github.com/tapir-vm/tapir/bench/traffic"
)

// udpCost is what packets to the guest cost the machine, where the guest's end sleeps while there are none.
type udpCost struct{}

func (udpCost) Name() string { return "udp-in-sleep" }
func (udpCost) About() string {
	return "64 B packets to the guest, whose end sleeps while the tap is empty, as vhost-net does"
}
func (udpCost) Metrics() []report.Metric { return []report.Metric{cpuPerMpacket, packetRate, readRate} }
func (udpCost) Conditions() Conditions   { return Conditions{MTU: normalMTU} }
func (udpCost) Lacks() error             { return traffic.Lacks() }

func (udpCost) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	return onTap(ctx, network, func(tap *os.File) (Meter, error) {
		m, err := newUDPIn(network, tap, 1, traffic.Frame)
		if err != nil {
			return nil, err
		}
		m.costs, m.drain.Sleeps = true, true
		return m, nil
	})
}
