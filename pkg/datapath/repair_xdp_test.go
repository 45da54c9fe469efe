// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"testing"

	"github.com/cilium/ebpf/link"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// repairs calls Repair, which must mend the one NIC of the scene, or nothing.
func repairs(t *testing.T, want bool) {
	t.Helper()
	mended, err := Repair()
	if err != nil || len(mended) > 1 || (len(mended) == 1) != want {
		t.Errorf("repaired %v, error %v; want one: %t", mended, err, want)
	}
}

// Where the far end stops to poll, the kernel drops in silence what leaves by XDP. Repair leads it by TC, and back.
func TestRepairFollowsThePeer(t *testing.T) {
	n, cfg := newXDPOutScene(t)
	repairs(t, false)
	for range 2 {
		for _, polls := range []bool{false, true} {
			n.Node.GRO(t, "cni0", polls)
			repairs(t, true)
			if s := status(t, cfg); s.XDPTransmit != polls || !s.Healthy {
				t.Errorf("far end polls: %t, status: %+v", polls, s)
			}
			works(t, n)
			repairs(t, false)
		}
	}
}

// What somebody switched off or took away in the pod comes back.
func TestRepairBringsBack(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*testing.T, *nstest.Topology, Config)
	}{
		{"GRO of the pod NIC", func(t *testing.T, n *nstest.Topology, _ Config) { n.Pod.GRO(t, "eth0", false) }},
		{"a program", func(t *testing.T, _ *nstest.Topology, cfg Config) {
			nic, err := Open(cfg.NetNS, cfg.Tap)
			if err != nil {
				t.Fatal(err)
			}
			defer nic.Close()
			nicIn := hooks(&nic.record.Constants)[2]
			l, err := link.LoadPinnedLink(nicIn.pin(pinDir(nic.key)), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := l.Detach(); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, cfg := newXDPOutScene(t)
			test.spoil(t, n, cfg)
			repairs(t, true)
			repairs(t, false)
			if s := status(t, cfg); !s.XDPTransmit || s.XDPObstacle != "" || !s.Healthy {
				t.Errorf("status: %+v", s)
			}
			works(t, n)
		})
	}
}

// A tap that is gone, and a NIC that is detached, are left alone.
func TestRepairLeavesTheGone(t *testing.T) {
	n := nstest.NewTopology(t)
	cfg := Config{NetNS: n.Pod.Path(), NIC: "eth0", Tap: "tap0", Fastpath: FastpathXDP, TapUID: -1, TapGID: -1}
	attach(t, cfg)
	n.Pod.Command(t, "ip", "link", "delete", "tap0")
	repairs(t, false)
	if err := Detach(cfg.NetNS, cfg.Tap); err != nil {
		t.Fatal(err)
	}
	repairs(t, false)
}
