// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
)

func withPeer(cfg *Config) { cfg.Redirect = RedirectPeer }

func dialClient(t *testing.T, n *nstest.Topology, f nstest.Family) *net.UDPConn {
	return dialUDP(t, n.Guest, netip.AddrPortFrom(f.Client.Addr(), remotePort))
}

// talk sends so many datagrams, and gets each answered.
func talk(t *testing.T, socket *net.UDPConn, times int) {
	t.Helper()
	for i := range times {
		if _, err := nstest.ExchangeUDP(socket, []byte("are you there?")); err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
	}
}

// What the guest sends past the pod NIC shows in the far end's counters and in Tapir's, not in the NIC's.
func TestPeerCounters(t *testing.T) {
	n, cfg := newScene(t, withPeer)
	const times = 100
	for _, f := range both {
		socket := dialClient(t, n, f)
		talk(t, socket, 1) // the flow's first goes through the NIC
		nic, far, before := n.Pod.Traffic(t, "eth0"), n.Node.Traffic(t, "cni0"), status(t, cfg)
		talk(t, socket, times)
		if out := n.Pod.Traffic(t, "eth0").TxFrames - nic.TxFrames; out > times/2 {
			t.Errorf("%s: %d of %d packets went through the pod NIC", f.Name, out, times)
		}
		if in := n.Node.Traffic(t, "cni0").RxFrames - far.RxFrames; in < times {
			t.Errorf("%s: the far end received %d of %d", f.Name, in, times)
		}
		sent, after := before.Counters.Transmit, status(t, cfg).Counters.Transmit
		if after.Packets-sent.Packets != times || after.Bytes <= sent.Bytes {
			t.Errorf("%s: Tapir counts %d of %d", f.Name, after.Packets-sent.Packets, times)
		}
	}
	if s := status(t, cfg); s.Config.Redirect != RedirectPeer || s.Bypassed != "" || !s.Healthy {
		t.Errorf("status: %+v", s)
	}
	works(t, n)
}

// What the CNI has on the far end's ingress sees every packet as the host's, and can drop it.
func TestPeerMeetsPolicy(t *testing.T) {
	n, _ := newScene(t, withPeer)
	meetsPolicy(t, n)
}

func meetsPolicy(t *testing.T, n *nstest.Topology) {
	t.Helper()
	policy := attachPolicy(t, n.Node, "cni0")
	for _, f := range both {
		socket := dialClient(t, n, f)
		talk(t, socket, 1)
		seen := policy.seen(t)
		talk(t, socket, 50)
		now := policy.seen(t)
		if now.host-seen.host < 50 || now.others != 0 {
			t.Errorf("%s: the policy saw %d packets of the host's and %d of others'", f.Name, now.host-seen.host, now.others)
		}
		policy.drop(t, true)
		if _, err := nstest.ExchangeUDP(socket, []byte("let me out")); err == nil {
			t.Errorf("%s: a packet got past the policy", f.Name)
		}
		policy.drop(t, false)
		talk(t, socket, 1)
	}
}

// A tap that has lost the gateway's MAC takes what the guest sends for another host's. Before Linux 6.15 it would stay
// that on its way past the pod NIC, and be dropped. It goes through the NIC then.
func TestPeerWithoutTheGatewaysMAC(t *testing.T) {
	n, _ := newScene(t, withPeer)
	policy := attachPolicy(t, n.Node, "cni0")
	n.Pod.Command(t, "ip", "link", "set", "tap0", "address", "02:00:00:00:00:77")
	f := nstest.IPv4
	n.Guest.Command(t, "ip", "neigh", "replace", f.Gateway.Addr().String(), "dev", "eth0", "lladdr", GatewayMAC.String(), "nud", "permanent")
	socket := dialClient(t, n, f)
	talk(t, socket, 1)
	out := n.Pod.Traffic(t, "eth0").TxFrames
	talk(t, socket, 20)
	if out = n.Pod.Traffic(t, "eth0").TxFrames - out; out < 20 {
		t.Errorf("%d of 20 went through the pod NIC", out)
	}
	if seen := policy.seen(t); seen.others != 0 {
		t.Errorf("%d packets were another host's", seen.others)
	}
}

// Pods of one node on a bridge are one another's next hop: a packet that bore the gateway's MAC, as it does on the tap,
// would be somebody else's wherever the bridge floods it to.
func TestPeerOnBridge(t *testing.T) {
	node, pod, other := nstest.NewNamespace(t, "node"), nstest.NewNamespace(t, "pod"), nstest.NewNamespace(t, "other")
	node.Command(t, "ip", "link", "add", "cni0", "type", "bridge")
	node.Up(t, "cni0")
	for name, n := range map[string]*nstest.Namespace{"veth0": pod, "veth1": other} {
		nstest.Connect(t, node, name, n, "eth0", nstest.MTU)
		node.Command(t, "ip", "link", "set", name, "master", "cni0")
	}
	n := &nstest.Topology{Guest: nstest.NewNamespace(t, "guest"), Pod: pod}
	cfg := config(pod)
	withPeer(&cfg)
	for _, f := range both {
		node.Address(t, "cni0", f.Node)
		pod.Address(t, "eth0", f.Pod)
		other.Address(t, "eth0", neighbour(f))
	}
	attach(t, cfg)
	n.Plug(t)
	for _, f := range both {
		other.ServeUDP(t, netip.AddrPortFrom(neighbour(f).Addr(), remotePort))
		node.ServeUDP(t, netip.AddrPortFrom(f.Node.Addr(), remotePort))
		for name, to := range map[string]netip.Addr{"the other pod": neighbour(f).Addr(), "the node": f.Node.Addr()} {
			socket := dialUDP(t, n.Guest, netip.AddrPortFrom(to, remotePort))
			eventually(t, "packets to "+name+" past the pod NIC", func() bool {
				out := pod.Traffic(t, "eth0").TxFrames
				for range 20 {
					if _, err := nstest.ExchangeUDP(socket, []byte("hello")); err != nil {
						return false
					}
				}
				return pod.Traffic(t, "eth0").TxFrames-out < 10
			})
		}
	}
}

// neighbour is an address in the pod's own network.
func neighbour(f nstest.Family) netip.Prefix {
	return netip.PrefixFrom(f.Pod.Addr().Next(), f.Pod.Bits())
}

// Going from one way to the other loses no packet and no flow.
func TestPeerAndBack(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	var floods []*flood
	for _, f := range both {
		floods = append(floods, floodBothWays(t, f.Name, n.Guest, n.Client, netip.AddrPortFrom(f.Client.Addr(), 5001),
			netip.AddrPortFrom(f.Client.Addr(), 5001), 1000)...)
	}
	before := flowAges(t, cfg)
	for range 10 {
		for _, cfg.Redirect = range []Redirect{RedirectPeer, RedirectNeigh} {
			again(t, cfg)
			if got := status(t, cfg).Config.Redirect; got != cfg.Redirect {
				t.Errorf("redirect is %s", got)
			}
		}
	}
	for _, f := range floods {
		f.end(t)
	}
	after := flowAges(t, cfg)
	for flow, age := range before {
		if after[flow] < age {
			t.Errorf("%s was lost", flow)
		}
	}
	if d := drops(t, cfg); len(d) > 0 {
		t.Errorf("dropped: %+v", d)
	}
}

func TestPeerRefused(t *testing.T) {
	prepared(t)
	node, pod := newPod(t, both...)
	pod.Command(t, "ip", "link", "add", "near0", "type", "veth", "peer", "name", "near1")
	pod.Command(t, "ip", "link", "add", "bridge0", "type", "bridge")
	for _, name := range []string{"near0", "bridge0"} {
		pod.Address(t, name, netip.MustParsePrefix("192.0.2.1/24"))
	}
	for _, test := range []struct {
		name, nic string
		make      func(t *testing.T)
		says      string
	}{
		{"bridge", "bridge0", func(*testing.T) {}, "bridge0 is a bridge, not a veth"},
		{"both ends in the pod", "near0", func(*testing.T) {}, "the other end of near0 is in the pod's namespace"},
		{"qdisc", "eth0", func(t *testing.T) {
			pod.Command(t, "tc", strings.Fields("qdisc add dev eth0 root tbf rate 100mbit burst 1mb latency 10ms")...)
			t.Cleanup(func() { pod.Command(t, "tc", "qdisc", "delete", "dev", "eth0", "root") })
		}, "tbf qdisc"},
		{"filter", "eth0", func(t *testing.T) {
			pod.Command(t, "tc", "qdisc", "add", "dev", "eth0", "clsact")
			addFilter(t, pod, "eth0", netlink.HANDLE_MIN_EGRESS, 7)
			t.Cleanup(func() { pod.Command(t, "tc", "qdisc", "delete", "dev", "eth0", "clsact") })
		}, "bpf filter (tc priority 7)"},
		{"program", "eth0", func(t *testing.T) {
			pass := tcProgram(t, asm.Mov.Imm(asm.R0, -1), asm.Return())
			hang(t, pod, "eth0", func(index int) (link.Link, error) {
				return link.AttachTCX(link.TCXOptions{Program: pass, Attach: ebpf.AttachTCXEgress, Interface: index})
			})
		}, "has program"},
		{"XDP on the far end", "eth0", func(t *testing.T) {
			pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
				Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { pass.Close() })
			hang(t, node, "cni0", func(index int) (link.Link, error) {
				return link.AttachXDP(link.XDPOptions{Program: pass, Interface: index, Flags: link.XDPDriverMode})
			})
		}, "cni0) has an XDP program"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := config(pod)
			withPeer(&cfg)
			if test.nic == "eth0" { // comes later: status tells
				attach(t, cfg)
				test.make(t)
				if s := status(t, cfg); !strings.Contains(s.Bypassed, test.says) {
					t.Errorf("status says %q", s.Bypassed)
				}
				if _, err := Attach(cfg); err == nil {
					t.Error("attached again")
				}
				cfg.Redirect = RedirectNeigh
				again(t, cfg)
				if s := status(t, cfg); s.Bypassed != "" || !s.Healthy {
					t.Errorf("with neigh, status is %+v", s)
				}
				detach(t, cfg)
				cfg.Redirect = RedirectPeer
			} else {
				test.make(t)
			}
			cfg.NIC = test.nic
			refused(t, pod, cfg, test.says, "use neigh")
		})
	}
}
