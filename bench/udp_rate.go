// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
	"github.com/tapir-vm/tapir/bench/traffic"
)

// udpRate is how many 64-byte packets a second pass, of some number of flows in turn.
type udpRate struct {
	direction string
	flows     int
	table     int // see Conditions
}

func (l udpRate) Name() string {
	name := "udp-" + l.direction
	if l.flows > 1 {
		name += fmt.Sprintf("-%d", l.flows)
	}
	if l.table > 0 {
		name += "-roomy"
	}
	return name
}

func (l udpRate) About() string {
	text := "64 B packets from the guest"
	if l.direction == in {
		text = "64 B packets to the guest"
	}
	if l.flows > 1 {
		text += fmt.Sprintf(", %d flows in turn", l.flows)
	}
	if l.table > 0 {
		text += ", flow tables that hold them"
	}
	return text
}

var (
	packetRate = report.Metric{Name: "rate", Unit: "Mpps", HigherIsBetter: true}
	// readRate is of packets that the guest's end was fast enough for: no more of them than it can read.
	readRate      = report.Metric{Name: "read", Unit: "Mpps", HigherIsBetter: true}
	cpuPerMpacket = report.Metric{Name: "cpu", Unit: "s/Mpacket"}
)

// Metrics: towards the guest, polling hides what the packets cost.
func (l udpRate) Metrics() []report.Metric {
	if l.direction == in {
		return []report.Metric{packetRate, readRate}
	}
	return []report.Metric{packetRate, cpuPerMpacket}
}

// Conditions: every flow passes before any is measured.
func (l udpRate) Conditions() Conditions {
	warmUp := time.Duration(l.flows) * time.Second / slowest
	return Conditions{MTU: normalMTU, Table: l.table, WarmUp: warmUp}
}

func (udpRate) Lacks() error { return traffic.Lacks() }

func (l udpRate) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	return onTap(ctx, network, func(tap *os.File) (Meter, error) {
		if l.direction == in {
			return newUDPIn(network, tap, l.flows, traffic.Frame)
		}
		return newUDPOut(network, tap, l.flows, false)
	})
}

// onTap makes a meter that closes the network's tap when it is closed itself.
func onTap(ctx context.Context, network *lab.Network, newMeter func(tap *os.File) (Meter, error)) (Meter, error) {
	tap, err := network.OpenTap(ctx)
	if err != nil {
		return nil, err
	}
	m, err := newMeter(tap)
	if err != nil {
		return nil, errors.Join(err, tap.Close())
	}
	return m, nil
}

const (
	slowest = 150_000 // packets a second: no datapath does less
	fewest  = 1 << 14 // packets of a measurement
	most    = 1 << 22 // they can't be interrupted
)

// errNothing says that a datapath doesn't work.
var errNothing = errors.New("nothing came through")

type udpIn struct {
	tap       *os.File
	generator *traffic.Generator
	drain     *traffic.Drain
	// costs has processor time measured as well: it tells something only of a drain that sleeps.
	costs bool
	rate  float64 // packets a second that the generator was seen to send
}

func newUDPIn(network *lab.Network, tap *os.File, flows int, form traffic.Form) (*udpIn, error) {
	generator, err := traffic.NewGenerator(network, flows, form)
	if err != nil {
		return nil, err
	}
	return &udpIn{tap: tap, generator: generator, drain: traffic.NewDrain(network, tap), rate: slowest}, nil
}

func (m *udpIn) Measure(ctx context.Context, d time.Duration) (map[string]float64, error) {
	count := uint32(min(max(m.rate*d.Seconds(), fewest), most))
	var sending, busy time.Duration
	came, err := m.drain.While(ctx, func() error {
		clock, err := startClock()
		if err != nil {
			return err
		}
		failed := m.generator.Send(count)
		sending, busy, err = clock.stop()
		return errors.Join(failed, err, ctx.Err())
	})
	if err != nil {
		return nil, err
	}
	m.rate = float64(count) / sending.Seconds()
	if came.Read == 0 {
		return nil, errNothing
	}
	sample := map[string]float64{
		packetRate.Name: float64(came.Passed()) / sending.Seconds() / 1e6,
		readRate.Name:   float64(came.Read) / sending.Seconds() / 1e6,
	}
	if m.costs {
		sample[cpuPerMpacket.Name] = busy.Seconds() / (float64(came.Passed()) / 1e6)
	}
	return sample, nil
}

func (m *udpIn) Close() error { return errors.Join(m.generator.Close(), m.tap.Close()) }

type udpOut struct {
	tap     *os.File
	writer  *traffic.Writer
	counter *traffic.Counter
}

func newUDPOut(network *lab.Network, tap *os.File, flows int, whole bool) (Meter, error) {
	counter, err := traffic.NewCounter(network)
	if err != nil {
		return nil, err
	}
	return &udpOut{tap, traffic.NewWriter(network, tap, flows, whole), counter}, nil
}

func (m *udpOut) Measure(ctx context.Context, d time.Duration) (map[string]float64, error) {
	first, err := m.counter.Count()
	if err != nil {
		return nil, err
	}
	clock, err := startClock()
	if err != nil {
		return nil, err
	}
	if _, err := m.writer.Run(ctx, clock.start.Add(d)); err != nil {
		return nil, err
	}
	took, busy, err := clock.stop()
	if err != nil {
		return nil, err
	}
	last, err := m.counter.Count()
	if err != nil {
		return nil, err
	}
	if last == first {
		return nil, errNothing
	}
	millions := float64(last-first) / 1e6
	return map[string]float64{
		packetRate.Name:    millions / took.Seconds(),
		cpuPerMpacket.Name: busy.Seconds() / millions,
	}, nil
}

func (m *udpOut) Close() error { return errors.Join(m.counter.Close(), m.tap.Close()) }
