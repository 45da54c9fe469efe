// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"os"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
	"github.com/tapir-vm/tapir/bench/traffic"
)

// udpWhole is how many 64-byte packets a second pass from a guest that computes their checksums itself: XDP takes those
// alone.
type udpWhole struct{}

func (udpWhole) Name() string  { return "udp-out-whole" }
func (udpWhole) About() string { return "64 B packets from the guest, which computes their checksums" }

func (udpWhole) Metrics() []report.Metric { return udpRate{direction: out}.Metrics() }

func (udpWhole) Conditions() Conditions { return udpRate{direction: out, flows: 1}.Conditions() }

func (udpWhole) Lacks() error { return traffic.Lacks() }

func (udpWhole) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	return onTap(ctx, network, func(tap *os.File) (Meter, error) { return newUDPOut(network, tap, 1, true) })
}
