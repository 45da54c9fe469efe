// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net/netip"
	"os"
	"testing"

	"github.com/cilium/ebpf/link"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// works checks that datagrams cross in both directions.
func works(t *testing.T, n *nstest.Topology) {
	t.Helper()
	for _, f := range both {
		for what, client := range map[string]*nstest.Namespace{"into the guest": n.Client, "out of the guest": n.Guest} {
			to := netip.AddrPortFrom(f.Pod.Addr(), servedPort)
			if client == n.Guest {
				to = netip.AddrPortFrom(f.Client.Addr(), remotePort)
			}
			if _, err := nstest.ExchangeUDP(dialUDP(t, client, to), []byte("hello")); err != nil {
				t.Errorf("%s, %s: %v", f.Name, what, err)
			}
		}
	}
}

// Attaching again brings back what others took away, even if its options are the same.
func TestAttachRepairs(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	nic := open(t, cfg)
	dir := pinDir(nic.key)
	for _, h := range hooks(&nic.record.Constants) {
		for how, takeAway := range map[string]func() error{
			"unpinned": func() error { return os.Remove(h.pin(dir)) },
			"detached": func() error {
				l, err := link.LoadPinnedLink(h.pin(dir), nil)
				if err != nil {
					return err
				}
				defer l.Close()
				return l.Detach()
			},
		} {
			if err := takeAway(); err != nil {
				t.Fatal(err)
			}
			if status(t, cfg).Healthy {
				t.Errorf("%s is %s: the status says healthy", h.name, how)
			}
			again(t, cfg)
			if s := status(t, cfg); !s.Healthy || s.Hook != "tcx" {
				t.Errorf("%s was %s and attached again: %+v", h.name, how, s)
			}
		}
	}
	n.Pod.Command(t, "ip", "address", "delete", "10.0.2.1/24", "dev", "tap0")
	n.Pod.Command(t, "ip", "link", "set", "tap0", "address", "02:00:00:00:00:55", "mtu", "1300")
	n.Pod.Sysctl(t, "net/ipv4/conf/lo/route_localnet", "0")
	again(t, cfg)
	works(t, n)
	if got, want := addresses(t, n.Pod, "tap0"), nic.Addresses().gateway(); !sameElements(got, want) {
		t.Errorf("tap has %v, want %v", got, want)
	}
}

// A tap that went is made again, with its programs.
func TestTapMadeAnew(t *testing.T) {
	prepared(t)
	n := nstest.NewTopology(t)
	before := look(t, n.Pod)
	cfg := config(n.Pod)
	attach(t, cfg)
	n.Pod.Command(t, "ip", "link", "delete", "tap0")
	if status(t, cfg).Healthy {
		t.Error("the tap is gone: the status says healthy")
	}
	again(t, cfg)
	if s := status(t, cfg); !s.Healthy {
		t.Errorf("status: %+v", s)
	}
	t.Run("traffic", func(t *testing.T) {
		n.Plug(t)
		serve(t, n)
		works(t, n)
	})
	detach(t, cfg)
	before.unchanged(t, n.Pod)
}

// A tap that others made in the place of ours is theirs: it is used, but not removed.
func TestTapMadeByOthers(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	cfg := config(pod)
	for name, between := range map[string]func(){
		"attached again":     func() { again(t, cfg) },
		"not attached again": func() {},
	} {
		t.Run(name, func(t *testing.T) {
			attach(t, cfg)
			pod.Command(t, "ip", "link", "delete", "tap0")
			pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr")
			theirs := pod.Command(t, "ip", "-d", "address", "show", "tap0")
			between()
			detach(t, cfg)
			if now := pod.Command(t, "ip", "-d", "address", "show", "tap0"); withoutQdisc(now) != withoutQdisc(theirs) {
				t.Errorf("their tap was\n%s\nand is\n%s", theirs, now)
			}
			pod.Command(t, "ip", "link", "delete", "tap0")
		})
	}
}

// The CNI makes the pod's NIC anew: attaching again joins the guest to that one.
func TestNICMadeAnew(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	n.Node.Command(t, "ip", "link", "delete", "cni0")
	if status(t, cfg).Healthy {
		t.Error("the NIC is gone: the status says healthy")
	}
	nstest.Connect(t, n.Node, "cni0", n.Pod, "eth0", nstest.MTU)
	for _, f := range both {
		n.Node.Address(t, "cni0", f.Node)
		n.Pod.Address(t, "eth0", f.Pod)
		n.Pod.Command(t, "ip", "route", "add", "default", "via", f.Node.Addr().String())
	}
	again(t, cfg)
	if s := status(t, cfg); !s.Healthy {
		t.Errorf("status: %+v", s)
	}
	works(t, n)
}

// Another gateway, or the same one with another MAC, is followed as by the kernel itself.
func TestGatewayChangesMAC(t *testing.T) {
	n, _ := newScene(t, func(*Config) {})
	for _, family := range []string{"ipv4", "ipv6"} {
		n.Pod.Sysctl(t, "net/"+family+"/neigh/eth0/base_reachable_time_ms", "1000")
		n.Pod.Sysctl(t, "net/"+family+"/neigh/eth0/delay_first_probe_time", "1")
	}
	n.Pod.Command(t, "ip", "neighbour", "flush", "dev", "eth0") // what is known was known for longer
	works(t, n)
	n.Node.Command(t, "ip", "link", "set", "cni0", "address", "02:00:5e:00:00:07")
	for _, f := range both {
		client := dialUDP(t, n.Guest, netip.AddrPortFrom(f.Client.Addr(), remotePort))
		eventually(t, "a way to the gateway's new MAC over "+f.Name, func() bool {
			_, err := nstest.ExchangeUDP(client, []byte("hello"))
			return err == nil
		})
	}
	works(t, n)
}
