// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// BenchmarkEstablished prints what each program costs for a packet of a flow that it knows, in nanoseconds net of an
// empty program, by BPF_PROG_TEST_RUN: medians, with the spread of the rounds. A run repeats on one packet, so the
// addresses are chosen to be translated into themselves (all work is still done), and the TTL bounds the repetitions.
func BenchmarkEstablished(b *testing.B) {
	empty, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		b.Fatalf("loading an empty program needs root: %v", err)
	}
	defer empty.Close()
	for _, family := range []struct {
		name          string
		local, remote netip.Addr
	}{
		{"IPv4", netip.MustParseAddr("10.244.1.7"), remote4},
		{"IPv6", netip.MustParseAddr("fd00:10:244::7"), remote6},
	} {
		objs := loadIdentity(b, family.local)
		out := tcpFrame(b, family.local, family.remote, 40000, 80, 255)
		in := tcpFrame(b, family.remote, family.local, 80, 40000, 255)
		clear(in[:6]) // lo's MAC: else the frame counts as another host's
		lo := tcpFrame(b, family.local, family.local, 40001, 80, 255)
		for _, program := range []struct {
			name  string
			prog  *ebpf.Program
			frame []byte
		}{
			{"tap_in", objs.TapirTapIn, out},
			{"nic_in", objs.TapirNicIn, in},
			{"nic_out", objs.TapirNicOut, tcpFrame(b, family.local, family.remote, 50000, 80, 255)},
			{"lo_out", objs.TapirLoOut, lo},
		} {
			b.Run(fmt.Sprintf("%s/%s", family.name, program.name), func(b *testing.B) {
				run(b, program.prog, program.frame) // makes the flow known
				var costs []float64
				for b.Loop() {
					floor := cost(b, empty, program.frame)
					costs = append(costs, cost(b, program.prog, program.frame)-floor)
				}
				slices.Sort(costs)
				b.ReportMetric(costs[len(costs)/2], "ns/packet")
				b.ReportMetric(costs[len(costs)/10], "ns-p10")
				b.ReportMetric(costs[len(costs)*9/10], "ns-p90")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

const repeats = 250 // below the TTL

func cost(b *testing.B, prog *ebpf.Program, frame []byte) float64 {
	_, took, err := prog.Benchmark(frame, repeats, nil)
	if err != nil {
		b.Fatal(err)
	}
	return float64(took) / float64(time.Nanosecond)
}

// loadIdentity loads programs whose guest, pod and loopback addresses are the same, with differences that are zero in
// ones' complement but not skipped.
func loadIdentity(b *testing.B, local netip.Addr) *masqueradeObjects {
	a := &Addresses{MTU: 1500}
	var families [2]masqueradeFamily
	f := familyOf(local, local, local, local, netip.PrefixFrom(local, local.BitLen()))
	f.ToPod, f.ToGuest, f.FromLo, f.ToLo = 0xffff, 0xffff, 0xffff, 0xffff
	if local.Is4() {
		a.Pod4, a.Guest4, a.Gateway4 = local, local, DefaultCIDR4.Addr()
		a.Prefix4 = netip.PrefixFrom(local, 32)
		families[0] = f
	} else {
		a.Pod6, a.Guest6, a.Gateway6 = local, local, DefaultCIDR6.Addr()
		a.Prefix6 = netip.PrefixFrom(local, 128)
		families[1] = f
	}
	spec, err := specialise(&constants{Addresses: a, NICIndex: testNIC, TapIndex: testTap + 1, NICMAC: podMAC.String()}, DefaultFlows)
	if err != nil {
		b.Fatal(err)
	}
	if err := spec.Variables[masqueradeVarFamilies].Set(families); err != nil {
		b.Fatal(err)
	}
	objs := testLoadSpec(b, spec)
	if err := setSettings(&objs.masqueradeMaps, nil, guestMAC); err != nil {
		b.Fatal(err)
	}
	return objs
}

func tcpFrame(t testing.TB, src, dst netip.Addr, sport, dport uint16, ttl uint8) []byte {
	return frame(t,
		eth(guestMAC, GatewayMAC, etherTypeOf(src)), ip(src, dst, layers.IPProtocolTCP, ttl),
		&layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(dport), ACK: true, Window: 512},
		gopacket.Payload(make([]byte, 20)))
}
