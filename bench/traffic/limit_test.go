// SPDX-License-Identifier: Apache-2.0

package traffic_test

import (
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/traffic"
)

// What the ends of a packet rate reach where there is next to no datapath: a figure near one of these is the
// harness's, not the datapath's (docs/benchmarks.md).

var forms = map[string]traffic.Form{"frame": traffic.Frame, "skb": traffic.SocketBuffer}

// The generator, to a pod that drops everything: by TC or by XDP.
func BenchmarkGenerator(b *testing.B) {
	for handed, form := range forms {
		for name, drop := range map[string]func(*testing.B, *lab.Network){"tc": dropByTC, "xdp": dropByXDP} {
			b.Run(handed+"/"+name, func(b *testing.B) {
				network := newNetwork(b)
				drop(b, network)
				generate(b, network, form)
			})
		}
	}
}

// The drain, behind an XDP program that hands every packet to the tap.
func BenchmarkDrain(b *testing.B) {
	for handed, form := range forms {
		b.Run(handed, func(b *testing.B) {
			network, tap := newTap(b)
			toTap(b, network)
			var took time.Duration
			came, err := traffic.NewDrain(network, tap).While(b.Context(), func() error {
				took = generate(b, network, form)
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(came.Read)/took.Seconds()/1e6, "Mpps-read")
			b.ReportMetric(float64(came.Received)/took.Seconds()/1e6, "Mpps-received")
		})
	}
}

// The writer, to a tap whose ingress drops everything.
func BenchmarkWriter(b *testing.B) {
	network, tap := newTap(b)
	attachDrop(b, network, lab.Tap)
	w := traffic.NewWriter(network, tap, 1, false)
	const during = time.Second
	for b.Loop() {
		sent, err := w.Run(b.Context(), time.Now().Add(during))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(sent)/during.Seconds()/1e6, "Mpps")
	}
}

// generate returns how long it sent.
func generate(b *testing.B, network *lab.Network, form traffic.Form) (took time.Duration) {
	g, err := traffic.NewGenerator(network, 1, form)
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	const packets = 1 << 20
	for b.Loop() {
		start := time.Now()
		if err := g.Send(packets); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		b.ReportMetric(packets/time.Since(start).Seconds()/1e6, "Mpps-sent")
	}
	return took
}

func newTap(b *testing.B) (*lab.Network, *os.File) {
	network := newNetwork(b)
	guest := lab.Bridged
	network.Guest = &guest
	err := network.Pod.Run(func() error {
		_, err := lab.AddTap(network.MTU)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	tap, err := network.OpenTap(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { tap.Close() })
	return network, tap
}

func dropByTC(b *testing.B, network *lab.Network) { attachDrop(b, network, lab.NIC) }

func attachDrop(b *testing.B, network *lab.Network, name string) {
	const shot = 2 // TC_ACT_SHOT
	p := program(b, ebpf.SchedCLS, asm.Mov.Imm(asm.R0, shot), asm.Return())
	inPod(b, network, func() (link.Link, error) {
		return link.AttachTCX(link.TCXOptions{Interface: index(b, name), Program: p, Attach: ebpf.AttachTCXIngress})
	})
}

func dropByXDP(b *testing.B, network *lab.Network) {
	const drop = 1 // XDP_DROP
	p := program(b, ebpf.XDP, asm.Mov.Imm(asm.R0, drop), asm.Return())
	attachXDP(b, network, p)
}

func toTap(b *testing.B, network *lab.Network) {
	var tap int
	if err := network.Pod.Run(func() error { tap = index(b, lab.Tap); return nil }); err != nil {
		b.Fatal(err)
	}
	attachXDP(b, network, program(b, ebpf.XDP,
		asm.Mov.Imm(asm.R1, int32(tap)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return()))
}

func attachXDP(b *testing.B, network *lab.Network, p *ebpf.Program) {
	inPod(b, network, func() (link.Link, error) {
		return link.AttachXDP(link.XDPOptions{Interface: index(b, lab.NIC), Program: p, Flags: link.XDPDriverMode})
	})
}

func program(b *testing.B, kind ebpf.ProgramType, instructions ...asm.Instruction) *ebpf.Program {
	b.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: kind, License: "GPL", Instructions: instructions})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	return p
}

func inPod(b *testing.B, network *lab.Network, attach func() (link.Link, error)) {
	b.Helper()
	err := network.Pod.Run(func() error {
		l, err := attach()
		if err == nil {
			b.Cleanup(func() { l.Close() })
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// index is that of a link of the calling thread's namespace.
func index(b testing.TB, name string) int {
	b.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		b.Fatal(err)
	}
	return l.Attrs().Index
}
