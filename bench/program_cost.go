// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
	"github.com/tapir-vm/tapir/bench/traffic"
)

// programCost is what a datapath's BPF programs take for a packet of a flow that they know, by BPF_PROG_TEST_RUN and
// net of an empty program. The packet is given anew each time: what came out of a run may not go in again.
type programCost struct{}

func (programCost) Name() string  { return "program-cost" }
func (programCost) About() string { return "BPF programs alone, on a UDP packet of a known flow" }

var (
	tapTime         = report.Metric{Name: "tap-in", Unit: "ns"}
	nicTime         = report.Metric{Name: "nic-in", Unit: "ns"}
	tapInstructions = report.Metric{Name: "tap-in-instructions", Unit: "1"}
	nicInstructions = report.Metric{Name: "nic-in-instructions", Unit: "1"}
)

func (programCost) Metrics() []report.Metric {
	return []report.Metric{tapTime, nicTime, tapInstructions, nicInstructions}
}
func (programCost) Conditions() Conditions { return Conditions{MTU: normalMTU} }

// errNoProgram says that a datapath has no BPF programs on its links.
var errNoProgram = errors.New("there is no BPF program")

func (programCost) Start(_ context.Context, network *lab.Network) (Meter, error) {
	if network.Guest == nil {
		return nil, lab.ErrNoTap
	}
	m := &programs{pod: network.Pod}
	if err := m.find(network); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

type programs struct {
	pod              *lab.Namespace
	empty, tap, nic  *ebpf.Program
	fromGuest, toPod []byte
}

func (m *programs) find(network *lab.Network) (err error) {
	m.empty, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("loading an empty program: %w", err)
	}
	m.fromGuest, m.toPod = traffic.Frames(*network.Guest)
	return network.Pod.Run(func() error {
		if m.tap, err = programOf(lab.Tap); err != nil {
			return err
		}
		if m.nic, err = programOf(lab.NIC); err != nil {
			return err
		}
		if m.nic.Type() == ebpf.SchedCLS {
			clear(m.toPod[:6]) // a test run's device is the loopback: else the frame counts as another host's
		}
		return knowPeer()
	})
}

// knowPeer gives the calling thread's namespace a neighbour entry, as flows under way have it: a test run sends nothing, so the
// kernel would never look for one, and the program would ask for it each time.
func knowPeer() error {
	nic, err := netlink.LinkByName(lab.NIC)
	if err == nil {
		err = netlink.NeighSet(&netlink.Neigh{
			LinkIndex: nic.Attrs().Index, IP: lab.Peer.Addr().AsSlice(), HardwareAddr: lab.PeerMAC, State: netlink.NUD_PERMANENT,
		})
	}
	if err != nil {
		return fmt.Errorf("making the peer known to the pod: %w", err)
	}
	return nil
}

// programOf returns the first program that sees what comes in by a link of the calling thread's namespace.
func programOf(name string) (*ebpf.Program, error) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("finding link %s: %w", name, err)
	}
	if xdp := l.Attrs().Xdp; xdp != nil && xdp.Attached {
		return ebpf.NewProgramFromID(ebpf.ProgramID(xdp.ProgId))
	}
	attached, err := link.QueryPrograms(link.QueryOptions{Target: l.Attrs().Index, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return nil, fmt.Errorf("asking for the programs of %s: %w", name, err)
	}
	if len(attached.Programs) == 0 {
		return nil, fmt.Errorf("%s: %w", name, errNoProgram)
	}
	return ebpf.NewProgramFromID(attached.Programs[0].ID)
}

func (m *programs) Measure(ctx context.Context, d time.Duration) (sample map[string]float64, err error) {
	err = m.pod.On(lab.GuestCPU, func() error {
		sample, err = m.costs(ctx, d)
		return err
	})
	return sample, err
}

func (m *programs) costs(ctx context.Context, d time.Duration) (map[string]float64, error) {
	counter, err := countInstructions()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	defer counter.close()
	sample := map[string]float64{}
	idle, idleInstructions, err := cost(ctx, m.empty, m.fromGuest, d/4, counter)
	if err != nil {
		return nil, err
	}
	for _, p := range []struct {
		program            *ebpf.Program
		frame              []byte
		time, instructions report.Metric
	}{
		{m.tap, m.fromGuest, tapTime, tapInstructions}, // makes the flow known to the other
		{m.nic, m.toPod, nicTime, nicInstructions},
	} {
		took, instructions, err := cost(ctx, p.program, p.frame, d/4, counter)
		if err != nil {
			return nil, err
		}
		sample[p.time.Name] = max(took-idle, 0)
		if counter.counts() {
			sample[p.instructions.Name] = instructions - idleInstructions
		}
	}
	return sample, nil
}

// cost returns the median time in ns, and the mean number of instructions, system call included.
func cost(ctx context.Context, p *ebpf.Program, frame []byte, d time.Duration, counter instructions) (median, mean float64, err error) {
	var times []time.Duration
	before, err := counter.read()
	if err != nil {
		return 0, 0, err
	}
	for start := time.Now(); time.Since(start) < d; {
		_, took, err := p.Benchmark(frame, 1, nil)
		if err != nil {
			return 0, 0, fmt.Errorf("running a program of the datapath: %w", err)
		}
		if ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		times = append(times, took)
	}
	after, err := counter.read()
	slices.Sort(times)
	return float64(times[len(times)/2].Nanoseconds()), float64(after-before) / float64(len(times)), err
}

func (m *programs) Close() error {
	var errs []error
	for _, p := range []*ebpf.Program{m.empty, m.tap, m.nic} {
		errs = append(errs, p.Close()) // of nil too
	}
	return errors.Join(errs...)
}
