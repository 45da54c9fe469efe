// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"os"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
	"github.com/tapir-vm/tapir/bench/traffic"
)

// udpSKB is how many 64-byte packets a second pass to the guest that the CNI side hands over as socket buffers: made
// before the datapath, and unmade where it is XDP.
type udpSKB struct{}

func (udpSKB) Name() string  { return "udp-in-skb" }
func (udpSKB) About() string { return "64 B packets to the guest, handed over as socket buffers" }

func (udpSKB) Metrics() []report.Metric { return udpRate{direction: in}.Metrics() }

func (udpSKB) Conditions() Conditions { return udpRate{direction: in, flows: 1}.Conditions() }

func (udpSKB) Lacks() error { return traffic.Lacks() }

func (udpSKB) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	return onTap(ctx, network, func(tap *os.File) (Meter, error) { return newUDPIn(network, tap, 1, traffic.SocketBuffer) })
}
