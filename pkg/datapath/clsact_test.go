// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// withoutTCX plays a kernel older than 6.6 until the test ends.
func withoutTCX(t *testing.T) {
	real := linkTCX
	t.Cleanup(func() { linkTCX = real })
	linkTCX = func(link.TCXOptions) (link.Link, error) { return nil, ebpf.ErrNotSupported }
}

func TestClsactUpdateUnderTraffic(t *testing.T) {
	withoutTCX(t)
	n, cfg := newScene(t, func(*Config) {})
	if s := status(t, cfg); s.Hook != "clsact" || !s.Healthy {
		t.Errorf("status: %+v", s)
	}
	updateUnderTraffic(t, n, cfg)
}

// Filters and qdiscs of others survive, and ours go.
func TestClsactAmongOthers(t *testing.T) {
	withoutTCX(t)
	prepared(t)
	clsactOn := func(pod *nstest.Namespace, devices ...string) {
		for _, device := range devices {
			pod.Command(t, "tc", "qdisc", "add", "dev", device, "clsact")
		}
	}
	for name, prepare := range map[string]func(pod *nstest.Namespace){
		"no qdisc": func(*nstest.Namespace) {},
		"qdiscs":   func(pod *nstest.Namespace) { clsactOn(pod, "eth0", "lo") },
		"filters": func(pod *nstest.Namespace) {
			clsactOn(pod, "eth0", "lo")
			addFilter(t, pod, "eth0", netlink.HANDLE_MIN_INGRESS, 1)
			addFilter(t, pod, "eth0", netlink.HANDLE_MIN_EGRESS, 50000)
			addFilter(t, pod, "lo", netlink.HANDLE_MIN_INGRESS, filterPriority)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, pod := newPod(t, both...)
			prepare(pod)
			before, theirs := look(t, pod), filters(t, pod)
			cfg := config(pod)
			attach(t, cfg)
			cfg.MTU = 1400
			again(t, cfg)
			if s := status(t, cfg); s.Hook != "clsact" || !s.Healthy {
				t.Errorf("status: %+v", s)
			}
			detach(t, cfg)
			before.unchanged(t, pod)
			if now := filters(t, pod); now != theirs {
				t.Errorf("filters were\n%s\nand are\n%s", theirs, now)
			}
		})
	}
	t.Run("filter that came later", func(t *testing.T) {
		_, pod := newPod(t, both...)
		cfg := config(pod)
		attach(t, cfg)
		addFilter(t, pod, "eth0", netlink.HANDLE_MIN_EGRESS, 7)
		detach(t, cfg)
		if now := filters(t, pod); strings.Contains(now, "tapir") || !strings.Contains(now, "theirs") {
			t.Errorf("filters are\n%s", now)
		}
	})
}

// addFilter adds a filter that is none of Tapir's and lets everything pass.
func addFilter(t *testing.T, n *nstest.Namespace, device string, parent uint32, priority uint16) {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	n.Must(t, func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		return netlink.FilterAdd(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: l.Attrs().Index, Parent: parent, Handle: filterHandle, Priority: priority, Protocol: unix.ETH_P_ALL,
			},
			Fd: program.FD(), Name: "theirs", DirectAction: true,
		})
	})
}

func filters(t *testing.T, n *nstest.Namespace) (all string) {
	t.Helper()
	for _, device := range []string{"eth0", "lo"} {
		for _, side := range []string{"ingress", "egress"} {
			all += n.Command(t, "tc", "filter", "show", "dev", device, side)
		}
	}
	return all
}

func TestClsactRepairs(t *testing.T) {
	withoutTCX(t)
	n, cfg := newScene(t, func(*Config) {})
	for _, lost := range []string{"filter delete dev eth0 egress", "qdisc delete dev eth0 clsact", "qdisc delete dev lo clsact", "filter delete dev tap0 ingress"} {
		n.Pod.Command(t, "tc", strings.Fields(lost)...)
		if status(t, cfg).Healthy {
			t.Errorf("after tc %s the status says healthy", lost)
		}
		again(t, cfg)
		if s := status(t, cfg); !s.Healthy {
			t.Errorf("attached again after tc %s: %+v", lost, s)
		}
	}
	works(t, n)
}

// Without links to ask, a namespace is known by who holds it.
func TestClsactSweep(t *testing.T) {
	withoutTCX(t)
	sweepsTheDead(t)
}
