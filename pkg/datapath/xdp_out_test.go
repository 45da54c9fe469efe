// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// newXDPOutScene is one in which the guest's datagrams leave by XDP.
func newXDPOutScene(t *testing.T) (*nstest.Topology, Config) {
	t.Helper()
	n, cfg := newScene(t, withXDP)
	n.Node.GRO(t, "cni0", true)
	n.Guest.DisableOffloads(t, "eth0")
	again(t, cfg)
	if s := status(t, cfg); !s.XDPTransmit || s.XDPObstacle != "" || !s.Healthy {
		t.Fatalf("status: %+v", s)
	}
	return n, cfg
}

// What the guest sends takes the short cut, past the pod NIC's egress; Tapir counts it, and so does the far end.
func TestXDPOutCarries(t *testing.T) {
	n, cfg := newXDPOutScene(t)
	const times = 100
	for _, f := range both {
		socket := dialClient(t, n, f)
		talk(t, socket, 1) // a flow's first goes by TC
		before, far, sent := xdpCount(t, n.Pod, takenOut), n.Node.Traffic(t, "cni0"), status(t, cfg).Counters.Transmit
		talk(t, socket, times)
		if taken := xdpCount(t, n.Pod, takenOut) - before; taken < times/2 {
			t.Errorf("%s: %d of %d datagrams left by XDP", f.Name, taken, times)
		}
		if in := n.Node.Traffic(t, "cni0").RxFrames - far.RxFrames; in < times {
			t.Errorf("%s: the far end received %d of %d", f.Name, in, times)
		}
		if counted := status(t, cfg).Counters.Transmit.Packets - sent.Packets; counted != times {
			t.Errorf("%s: Tapir counts %d of %d", f.Name, counted, times)
		}
	}
	works(t, n)
	for _, d := range drops(t, cfg) {
		t.Errorf("dropped: %+v", d)
	}
}

// What the CNI has on the far end's ingress sees every packet as the host's, and can drop it.
func TestXDPOutMeetsPolicy(t *testing.T) {
	n, _ := newXDPOutScene(t)
	before := xdpCount(t, n.Pod, takenOut)
	meetsPolicy(t, n)
	if xdpCount(t, n.Pod, takenOut) == before {
		t.Error("nothing left by XDP")
	}
}

// Where the far end doesn't poll, the guest's datagrams leave by TC; the status says so, and attaching again follows.
func TestXDPOutNeedsThePeer(t *testing.T) {
	n, cfg := newScene(t, withXDP)
	n.Guest.DisableOffloads(t, "eth0")
	expect := func(transmit bool, says string) {
		t.Helper()
		s := status(t, cfg)
		if s.XDPTransmit != transmit || !strings.Contains(s.XDPObstacle, says) || says == "" && s.XDPObstacle != "" || !s.Healthy {
			t.Errorf("status: %+v, want XDP %t and %q", s, transmit, says)
		}
	}
	const advice = "`ethtool -K cni0 gro on`"
	for range 2 {
		before := xdpCount(t, n.Pod, takenOut)
		expect(false, advice)
		works(t, n)
		if xdpCount(t, n.Pod, takenOut) != before {
			t.Error("something left by XDP")
		}
		n.Node.GRO(t, "cni0", true)
		expect(false, "attach again")
		again(t, cfg)
		expect(true, "")
		works(t, n)
		n.Node.GRO(t, "cni0", false)
		expect(true, advice)
		again(t, cfg)
	}
	expect(false, advice)
}

// What is on the pod NIC's egress, or on the tap, is respected.
func TestXDPOutObstacles(t *testing.T) {
	n, cfg := newXDPOutScene(t)
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	n.Pod.Command(t, "tc", strings.Fields("qdisc add dev eth0 root tbf rate 100mbit burst 1mb latency 10ms")...)
	if s := status(t, cfg); !s.XDPTransmit || !strings.Contains(s.XDPObstacle, "tbf qdisc") {
		t.Errorf("status: %+v", s)
	}
	again(t, cfg)
	if s := status(t, cfg); s.XDPTransmit || !s.Healthy {
		t.Errorf("attached again, status: %+v", s)
	}
	works(t, n)
	n.Pod.Command(t, "tc", "qdisc", "delete", "dev", "eth0", "root")
	theirs := hang(t, n.Pod, "tap0", func(index int) (link.Link, error) {
		return link.AttachXDP(link.XDPOptions{Interface: index, Program: pass})
	})
	again(t, cfg)
	if s := status(t, cfg); s.XDPTransmit || !strings.Contains(s.XDPObstacle, "tap0 has an XDP program of somebody else's") {
		t.Errorf("status: %+v", s)
	}
	works(t, n)
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	again(t, cfg)
	if s := status(t, cfg); !s.XDPTransmit || s.XDPObstacle != "" {
		t.Errorf("without them, status: %+v", s)
	}
}
