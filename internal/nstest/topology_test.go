// SPDX-License-Identifier: Apache-2.0

package nstest_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

func TestEverybodyReachesThePod(t *testing.T) {
	n := nstest.NewTopology(t)
	for _, f := range []nstest.Family{nstest.IPv4, nstest.IPv6} {
		n.Pod.ServeTCP(t, netip.AddrPortFrom(f.Pod.Addr(), 80))
		n.Pod.ServeUDP(t, netip.AddrPortFrom(f.Pod.Addr(), 80))
		for name, from := range map[string]*nstest.Namespace{"node": n.Node, "client": n.Client, "far": n.Far} {
			caller, err := from.DialTCP(netip.AddrPort{}, netip.AddrPortFrom(f.Pod.Addr(), 80))
			if err != nil {
				t.Errorf("%s, %s -> pod TCP: %v", f.Name, name, err)
				continue
			}
			defer caller.Close()
			client, err := from.DialUDP(netip.AddrPort{}, netip.AddrPortFrom(f.Pod.Addr(), 80))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, err := nstest.ExchangeUDP(client, make([]byte, 1000)); err != nil {
				t.Errorf("%s, %s -> pod UDP: %v", f.Name, name, err)
			}
		}
	}
}

func TestTheWireToFarHasNoOffloads(t *testing.T) {
	n := nstest.NewTopology(t)
	to := netip.AddrPortFrom(nstest.IPv4.Far.Addr(), 80)
	n.Far.ServeTCP(t, to)
	client, err := n.Client.DialTCP(netip.AddrPort{}, to)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before := n.Far.Traffic(t, "eth0")
	if err := client.Echo(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	after := n.Far.Traffic(t, "eth0")
	for direction, mean := range map[string]uint64{
		"to":   (after.RxBytes - before.RxBytes) / (after.RxFrames - before.RxFrames),
		"from": (after.TxBytes - before.TxBytes) / (after.TxFrames - before.TxFrames),
	} {
		if mean > nstest.NarrowMTU+14 {
			t.Errorf("frames %s far are %d bytes long on average, on a link with MTU %d", direction, mean, nstest.NarrowMTU)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	t.Run("topology", func(t *testing.T) {
		n := nstest.NewTopology(t)
		n.Pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr")
		n.Pod.Up(t, "tap0")
		n.Plug(t)
	})
	namespaces, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range namespaces {
		if strings.HasPrefix(n.Name(), fmt.Sprintf("nstest-%d-", os.Getpid())) {
			t.Errorf("namespace %s is left", n.Name())
		}
	}
}
