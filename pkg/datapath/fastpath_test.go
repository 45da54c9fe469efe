// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
)

func withXDP(c *Config) { c.Fastpath = FastpathXDP }

// What a pod NIC counts of XDP, by drivers/net/veth.c.
const (
	redirected = "xdp_redirect" // came in by it, and was sent on
	takenOut   = "xdp_xmit"     // left by it
)

func xdpCount(t *testing.T, pod *nstest.Namespace, what string) (n uint64) {
	t.Helper()
	pod.Must(t, func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer e.Close()
		counts, err := e.Stats("eth0")
		for name, count := range counts {
			if strings.HasSuffix(name, what) {
				n += count
			}
		}
		return err
	})
	return n
}

// Packets take the short cut where they can, and the other way where they can't; both ways lead there.
func TestFastpathCarries(t *testing.T) {
	n, cfg := newScene(t, withXDP)
	n.Client.DisableOffloads(t, "eth0") // as if it were far away: its checksums are whole
	if s := status(t, cfg); s.Config.Fastpath != FastpathXDP || s.Hook != "tcx+xdp" || !s.Healthy {
		t.Errorf("status: %+v", s)
	}
	before := xdpCount(t, n.Pod, redirected)
	works(t, n)
	if xdpCount(t, n.Pod, redirected) == before {
		t.Error("nothing took the short cut")
	}
	for _, d := range drops(t, cfg) {
		t.Errorf("dropped: %+v", d)
	}
}

// Switching between TC and XDP loses not one datagram. There is no TCP beside them: without large frames it fills the
// queue of 256 frames that a veth has while it polls, and what comes then is lost however the packets go on.
func TestFastpathSwitchUnderTraffic(t *testing.T) {
	n, cfg := newScene(t, withXDP)
	n.Client.DisableOffloads(t, "eth0")
	n.Guest.DisableOffloads(t, "eth0")
	n.Node.GRO(t, "cni0", true)
	before, out := xdpCount(t, n.Pod, redirected), xdpCount(t, n.Pod, takenOut)
	var floods []*flood
	for _, f := range both {
		const inbound, outbound = 5000, 5001
		floods = append(floods, floodBothWays(t, f.Name+" inbound", n.Client, n.Guest,
			netip.AddrPortFrom(f.Pod.Addr(), inbound), netip.AddrPortFrom(f.Guest.Addr(), inbound), 1000)...)
		floods = append(floods, floodBothWays(t, f.Name+" outbound", n.Guest, n.Client,
			netip.AddrPortFrom(f.Client.Addr(), outbound), netip.AddrPortFrom(f.Client.Addr(), outbound), 100)...)
	}
	for _, way := range slices.Repeat([]Fastpath{FastpathTC, FastpathXDP, FastpathXDP}, 8) {
		cfg.Fastpath = way
		again(t, cfg)
	}
	for _, f := range floods {
		f.end(t)
	}
	if xdpCount(t, n.Pod, redirected) == before || xdpCount(t, n.Pod, takenOut) == out {
		t.Error("nothing took the short cut into the guest, or nothing out of it")
	}
	if s := status(t, cfg); !s.Healthy || !s.XDPTransmit || s.XDPObstacle != "" {
		t.Errorf("status: %+v", s)
	}
	for _, d := range drops(t, cfg) {
		t.Errorf("dropped: %+v", d)
	}
}

// Without the fast path the pod NIC's other end segments in hardware again; detached, everything is as it was.
func TestFastpathLeavesNothing(t *testing.T) {
	prepared(t)
	node, pod := newPod(t, both...)
	before, features := look(t, pod), featuresOf(t, pod, "eth0")
	peer := featuresOf(t, node, "cni0")
	cfg := config(pod)
	attach(t, cfg)
	for range 2 {
		cfg.Fastpath = FastpathXDP
		again(t, cfg)
		again(t, cfg)
		if now := featuresOf(t, node, "cni0"); now["tx-tcp-segmentation"] {
			t.Error("the other end still makes frames that XDP doesn't take")
		}
		cfg.Fastpath = FastpathTC
		again(t, cfg)
		if diff := cmp.Diff(peer, featuresOf(t, node, "cni0")); diff != "" {
			t.Errorf("features of the other end after going back to TC (-before +now):\n%s", diff)
		}
	}
	cfg.Fastpath = FastpathXDP
	again(t, cfg)
	detach(t, cfg)
	before.unchanged(t, pod)
	if diff := cmp.Diff(features, featuresOf(t, pod, "eth0")); diff != "" {
		t.Errorf("features of the pod NIC (-before +now):\n%s", diff)
	}
}

func featuresOf(t *testing.T, n *nstest.Namespace, device string) (features map[string]bool) {
	t.Helper()
	n.Must(t, func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer e.Close()
		features, err = e.Features(device)
		return err
	})
	return features
}

// A program that was taken away comes back.
func TestFastpathRepairs(t *testing.T) {
	n, cfg := newScene(t, withXDP)
	nic := open(t, cfg)
	h := xdpHook(&nic.record.Constants)
	if err := detachLink(h.pin(pinDir(nic.key))); err != nil {
		t.Fatal(err)
	}
	if status(t, cfg).Healthy {
		t.Error("without its XDP program the status says healthy")
	}
	works(t, n)
	again(t, cfg)
	if s := status(t, cfg); !s.Healthy {
		t.Errorf("attached again: %+v", s)
	}
	works(t, n)
}

// A NIC that somebody else's program hangs on is left alone.
func TestFastpathRefusesForeignProgram(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	pod.Must(t, func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		theirs, err := link.AttachXDP(link.XDPOptions{Interface: eth0.Attrs().Index, Program: program})
		if err == nil {
			t.Cleanup(func() { theirs.Close() })
		}
		return err
	})
	cfg := config(pod)
	withXDP(&cfg)
	if err := refused(t, pod, cfg, "eth0", "somebody else's", "fastpath tc"); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v is no ErrInvalid", err)
	}
	cfg.Fastpath = FastpathTC
	attach(t, cfg)
	withXDP(&cfg)
	if _, err := Attach(cfg); err == nil {
		t.Error("switched to XDP over another's program")
	}
	if s := status(t, cfg); !s.Healthy || s.Config.Fastpath != FastpathTC {
		t.Errorf("after the refusal: %+v", s)
	}
}

// What the driver refuses is not supported, and nothing is left of the attempt.
func TestFastpathRefusedByDriver(t *testing.T) {
	prepared(t)
	pod := nstest.NewNamespace(t, "pod")
	pod.Command(t, "ip", "link", "add", "eth0", "type", "bridge")
	pod.Address(t, "eth0", nstest.IPv4.Pod)
	cfg := config(pod)
	withXDP(&cfg)
	if err := refused(t, pod, cfg, "no XDP", "fastpath tc"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%v is no ErrUnsupported", err)
	}
}
