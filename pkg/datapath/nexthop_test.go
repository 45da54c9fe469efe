// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Packets follow the next hop as the kernel's own do: to the MAC that it announces, to that of the route's new router,
// and, where a MAC has changed in silence, to the one that is found when the old one doesn't answer any more.
func TestFollowsTheNextHop(t *testing.T) {
	first, other := net.HardwareAddr{0x02, 0xc0, 0xff, 0xee, 0, 1}, net.HardwareAddr{0x02, 0xc0, 0xff, 0xee, 0, 2}
	for name, change := range map[string]func(t *testing.T, n *nstest.Topology){
		"announced": func(t *testing.T, n *nstest.Topology) {
			n.Node.Sysctl(t, "net/ipv4/conf/cni0/arp_notify", "1")
			n.Node.Sysctl(t, "net/ipv6/conf/cni0/ndisc_notify", "1")
			setMAC(t, n.Node, other)
		},
		"silent": func(t *testing.T, n *nstest.Topology) { setMAC(t, n.Node, other) },
		"route": func(t *testing.T, n *nstest.Topology) {
			for _, f := range both {
				router := neighbour(f).Addr().String()
				n.Pod.Command(t, "ip", "neigh", "replace", router, "dev", "eth0", "lladdr", other.String(), "nud", "permanent")
				n.Pod.Command(t, "ip", family(f), "route", "replace", "default", "via", router, "dev", "eth0")
			}
		},
	} {
		for _, redirect := range []Redirect{RedirectNeigh, RedirectPeer} {
			t.Run(name+" "+string(redirect), func(t *testing.T) {
				n, _ := newScene(t, func(c *Config) { c.Redirect = redirect })
				policy := attachPolicy(t, n.Node, "cni0")
				setMAC(t, n.Node, first)
				sockets := map[string]*net.UDPConn{}
				for _, f := range both {
					forgetNeighbour(t, n.Pod, f.Node.Addr())
					sockets[f.Name] = dialClient(t, n, f)
					leads(t, policy, sockets[f.Name], f.Name, first)
				}
				change(t, n)
				for _, f := range both {
					leads(t, policy, sockets[f.Name], f.Name, other)
				}
			})
		}
	}
}

func setMAC(t *testing.T, node *nstest.Namespace, mac net.HardwareAddr) {
	t.Helper()
	node.Command(t, "ip", "link", "set", "cni0", "address", mac.String())
}

// forgetNeighbour makes the pod look for its neighbour anew, and doubt later what it has found after a second, not half a minute.
func forgetNeighbour(t *testing.T, pod *nstest.Namespace, neighbour netip.Addr) {
	t.Helper()
	version := map[bool]string{true: "ipv4", false: "ipv6"}[neighbour.Is4()]
	pod.Sysctl(t, "net/"+version+"/neigh/eth0/base_reachable_time_ms", "1000")
	pod.Sysctl(t, "net/"+version+"/neigh/eth0/delay_first_probe_time", "1")
	pod.Command(t, "ip", "neigh", "flush", "dev", "eth0", "to", neighbour.String())
}

// leads waits until a flow's packets go to this MAC: several in a row, so that those are among them that go by the cached
// next hop.
func leads(t *testing.T, policy *policy, socket *net.UDPConn, family string, to net.HardwareAddr) {
	t.Helper()
	row := 0
	eventually(t, family+" packets to "+to.String(), func() bool {
		if _, err := socket.Write([]byte("where to?")); err != nil {
			t.Fatal(err)
		}
		if row++; policy.seen(t).destination != to.String() {
			row = 0
		}
		return row == 20
	})
}

func family(f nstest.Family) string { return map[string]string{"v4": "-4", "v6": "-6"}[f.Name] }

// A flow whose first packet finds no neighbour entry isn't left without a next hop for the second after which one is looked
// up again: it counts as not looked up.
func TestLooksAgainForANewNeighbour(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	for _, f := range both {
		n.Pod.Command(t, "ip", "neigh", "flush", "dev", "eth0")
		socket := dialClient(t, n, f)
		if _, err := socket.Write([]byte("where to?")); err != nil {
			t.Fatal(err)
		}
		eventually(t, f.Name+" flow", func() bool {
			hop, known := nextHop(t, cfg, socket)
			if known && hop != 0 && hop<<16 == 0 {
				t.Fatalf("%s: the next hop was looked up, and is nobody: %x", f.Name, hop)
			}
			return known
		})
	}
}

// nextHop is that of the flow of a guest's socket.
func nextHop(t *testing.T, cfg Config, socket *net.UDPConn) (hop uint64, known bool) {
	t.Helper()
	port := socket.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	err := eachFlow(open(t, cfg).maps.Flows, func(_ uint32, f *masqueradeFlow) {
		if f.port() == port {
			hop, known = f.NextHop, true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return hop, known
}
