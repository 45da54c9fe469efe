// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// The flow table is a cache: connections of every kind outlive thousands of others that push them out of it, and a
// full table drops nothing.
func TestEviction(t *testing.T) {
	for name, ports := range map[string][]Port{
		"no ports": nil,
		"ports":    {{Protocol: "tcp", Port: servedPort}, {Protocol: "udp", Port: servedPort}},
	} {
		t.Run(name, func(t *testing.T) {
			n, cfg := newScene(t, func(c *Config) { c.Flows, c.Ports = minFlows, ports })
			established := map[string]*nstest.TCPClient{}
			for _, f := range both {
				for what, c := range establish(t, n, f) {
					established[f.Name+" "+what] = c
				}
			}
			if c, err := open(t, cfg).Counters(); err != nil || c.Remaps < 2*uint64(len(both)) {
				t.Errorf("ports that were taken: counters %+v, %v", c, err)
			}
			for round := range 3 {
				for _, f := range both {
					crowd(t, n, f, uint16(20000+5000*round))
				}
				if s := status(t, cfg); s.FlowCount > minFlows {
					t.Errorf("%d flows in a table for %d", s.FlowCount, minFlows)
				}
				for what, c := range established {
					if err := c.Echo(bytes.Repeat([]byte("tapir"), 10000)); err != nil {
						t.Errorf("%s, after round %d: %v", what, round, err)
					}
				}
				if got := drops(t, cfg); len(got) > 0 {
					t.Errorf("dropped: %+v", got)
				}
			}
		})
	}
}

// establish opens a connection of each kind.
func establish(t *testing.T, n *nstest.Topology, f nstest.Family) map[string]*nstest.TCPClient {
	t.Helper()
	const guestFirst, podFirst = 45001, 45002 // source ports that both guest and pod use
	remote := netip.AddrPortFrom(f.Client.Addr(), remotePort)
	clients := map[string]*nstest.TCPClient{}
	for _, c := range []struct {
		what  string
		from  *nstest.Namespace
		local netip.AddrPort
		to    netip.AddrPort
	}{
		{"client -> guest", n.Client, netip.AddrPort{}, netip.AddrPortFrom(f.Pod.Addr(), servedPort)},
		{"far -> guest", n.Far, netip.AddrPort{}, netip.AddrPortFrom(f.Pod.Addr(), servedPort)},
		{"guest -> client", n.Guest, netip.AddrPort{}, remote},
		{"pod -> client", n.Pod, netip.AddrPort{}, remote},
		{"pod -> loopback", n.Pod, netip.AddrPort{}, netip.AddrPortFrom(f.Loopback, servedPort)},
		{"guest -> client, port that the pod takes next", n.Guest, netip.AddrPortFrom(f.Guest.Addr(), guestFirst), remote},
		{"pod -> client, port that the guest has", n.Pod, netip.AddrPortFrom(f.Pod.Addr(), guestFirst), remote},
		{"pod -> client, port that the guest takes next", n.Pod, netip.AddrPortFrom(f.Pod.Addr(), podFirst), remote},
		{"guest -> client, port that the pod has", n.Guest, netip.AddrPortFrom(f.Guest.Addr(), podFirst), remote},
	} {
		client, err := c.from.DialTCP(c.local, c.to)
		if err != nil {
			t.Fatalf("%s %s: %v", f.Name, c.what, err)
		}
		t.Cleanup(func() { client.Close() })
		clients[c.what] = client
	}
	return clients
}

// crowd makes thousands of flows, by datagrams from and to as many ports.
func crowd(t *testing.T, n *nstest.Topology, f nstest.Family, first uint16) {
	t.Helper()
	const each = 1000
	for _, c := range []struct {
		from *nstest.Namespace
		to   netip.Addr
	}{{n.Guest, f.Client.Addr()}, {n.Client, f.Pod.Addr()}, {n.Pod, f.Client.Addr()}, {n.Pod, f.Loopback}} {
		socket := c.from.ListenUDP(t, netip.AddrPortFrom(unspecified(c.to), 0))
		for i := range uint16(each) {
			// An earlier one's port unreachable is reported in the place of sending.
			for range 2 {
				if _, err := socket.WriteToUDPAddrPort([]byte("crowd"), netip.AddrPortFrom(c.to, first+i)); err == nil {
					break
				}
			}
		}
		if err := socket.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
