// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A way is a probe from one place to another, and whom the other sees.
type way struct {
	name     string
	from, to *nstest.Namespace
	source   netip.Addr // of pings
	target   netip.Addr
	seen     netip.Addr
}

func TestReach(t *testing.T) {
	host, outside := uplink(t, 1400)
	a, b := makePod(t, "a"), makePod(t, "b")
	inA, inB := enter(t, a), enter(t, b)

	ways := []way{
		{"pod to outside, v4", inA, outside, a.Address4, outside4.Addr(), host4.Addr()},
		{"pod to outside, v6", inA, outside, a.Address6, outside6.Addr(), host6.Addr()},
		{"pod to host, v4", inA, host, a.Address4, host4.Addr(), a.Address4},
		{"pod to host, v6", inA, host, a.Address6, host6.Addr(), a.Address6},
		{"pod to gateway, v4", inA, host, a.Address4, a.Gateway4, a.Address4},
		{"pod to gateway, v6", inA, host, a.Address6, a.Gateway6, a.Address6},
		{"host to pod, v4", host, inA, a.Gateway4, a.Address4, a.Gateway4},
		{"host to pod, v6", host, inA, a.Gateway6, a.Address6, a.Gateway6},
		{"pod to pod, v4", inA, inB, a.Address4, b.Address4, a.Address4},
		{"pod to pod, v6", inA, inB, a.Address6, b.Address6, a.Address6},
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			at := netip.AddrPortFrom(w.target, 8080)
			w.to.ServeTCP(t, at)
			client, err := w.from.DialTCP(netip.AddrPort{}, at)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if client.Seen.Addr() != w.seen {
				t.Errorf("TCP: the server sees %s, want %s", client.Seen.Addr(), w.seen)
			}
			// As large as the path allows, and larger.
			for _, size := range []int{56, 4000} {
				if err := w.from.Ping(nstest.Ping{From: w.source, To: w.target, ID: 7, Size: size}); err != nil {
					t.Errorf("ping with %d bytes: %v", size, err)
				}
			}
		})
	}
}

// The promise of the demo: nothing in the pod but addresses and routes.
func TestPodNamespace(t *testing.T) {
	uplink(t, 1400)
	p := makePod(t, "web")
	in := enter(t, p)
	for _, command := range []string{"nft list ruleset", "ip link show type bridge"} {
		fields := strings.Fields(command)
		if output := in.Command(t, fields[0], fields[1:]...); output != "" {
			t.Errorf("%s in the pod: got %q, want nothing", command, output)
		}
	}
	if p.MTU != 1400 {
		t.Errorf("MTU: got %d, want the uplink's 1400", p.MTU)
	}
	link := in.Command(t, "ip", "link", "show", "dev", NIC)
	if !strings.Contains(link, " mtu 1400 ") {
		t.Errorf("the pod's link: got %q, want an MTU of 1400", link)
	}
	if addresses := in.Command(t, "ip", "address", "show", "dev", NIC); strings.Contains(addresses, "tentative") {
		t.Errorf("addresses that can't be used yet: %s", addresses)
	}
}

// A host without a default route is one all the same.
func TestWithoutUplink(t *testing.T) {
	p := makePod(t, "web")
	if p.MTU != 1500 {
		t.Errorf("MTU: got %d, want 1500", p.MTU)
	}
	at := netip.AddrPortFrom(p.Address6, 8080)
	enter(t, p).ServeTCP(t, at)
	host, _ := uplink(t, 1400)
	client, err := host.DialTCP(netip.AddrPort{}, at)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
}

func TestHostWithoutIPv6(t *testing.T) {
	host, outside := uplink(t, 1400)
	host.Sysctl(t, "net/ipv6/conf/default/disable_ipv6", "1")
	t.Cleanup(func() { host.Sysctl(t, "net/ipv6/conf/default/disable_ipv6", "0") })
	p := makePod(t, "web")
	if p.Address6.IsValid() || p.Gateway6.IsValid() {
		t.Errorf("got %s via %s, want no IPv6", p.Address6, p.Gateway6)
	}
	if servers := p.Nameservers(); len(servers) != 1 || servers[0] != p.Gateway4 {
		t.Errorf("name servers: got %v, want %s alone", servers, p.Gateway4)
	}
	at := netip.AddrPortFrom(outside4.Addr(), 8080)
	outside.ServeTCP(t, at)
	client, err := enter(t, p).DialTCP(netip.AddrPort{}, at)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
}
