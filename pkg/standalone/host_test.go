// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/ndp"
	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/nstest"
)

func valueOf(t *testing.T, key string) string {
	t.Helper()
	value, err := sysctl(key)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// What the kernel changes along with forwarding is put back too. leftovers.Check, by uplink, compares all.
func TestSettings(t *testing.T) {
	host, _ := uplink(t, 1400)
	for _, s := range [][2]string{
		{"net/ipv4/conf/all/accept_redirects", "0"}, // as hardening guides say
		{"net/ipv4/conf/up0/forwarding", "1"},
		{"net/ipv6/conf/up0/forwarding", "1"},
	} {
		was := valueOf(t, s[0])
		host.Sysctl(t, s[0], s[1])
		t.Cleanup(func() { host.Sysctl(t, s[0], was) })
	}
	leftovers.Check(t)
	a, b := makePod(t, "a"), makePod(t, "b")
	forwarding := []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}
	for _, p := range []*Pod{a, b} {
		for _, key := range forwarding {
			if valueOf(t, key) != "1" {
				t.Errorf("%s is off while there is a pod", key)
			}
		}
		// A device that forwarded before ignored advertisements, and so it stays.
		if got := valueOf(t, "net/ipv6/conf/up0/accept_ra"); got != "1" {
			t.Errorf("accept_ra of up0: got %s, want it untouched", got)
		}
		deletePod(t, p)
	}
	for _, key := range forwarding {
		if valueOf(t, key) != "0" {
			t.Errorf("%s is on without pods", key)
		}
	}
}

// A host that forwards anyway keeps all its settings.
func TestRouter(t *testing.T) {
	host, _ := uplink(t, 1400)
	for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		host.Sysctl(t, key, "1")
		t.Cleanup(func() { host.Sysctl(t, key, "0") })
	}
	leftovers.Check(t)
	before, err := leftovers.Take()
	if err != nil {
		t.Fatal(err)
	}
	p := makePod(t, "web")
	during, err := leftovers.Take()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range before.Diff(during) {
		if strings.Contains(line, "setting") && !strings.Contains(line, p.HostNIC) {
			t.Errorf("changed: %s", line)
		}
	}
}

// Forwarding makes the kernel drop default routes that came by router advertisements, and hear no more of them.
// The host keeps its own.
func TestRouterAdvertisements(t *testing.T) {
	host, outside := uplink(t, 1400)
	host.Command(t, "ip", "-6", "route", "delete", "default")
	advertise(t, outside)
	defaultRoute := func() string { return host.Command(t, "ip", "-6", "route", "show", "default") }
	for !strings.Contains(defaultRoute(), "proto ra") {
		if t.Context().Err() != nil {
			t.Fatal("the host takes no default route")
		}
		time.Sleep(10 * time.Millisecond)
	}
	p := makePod(t, "web")
	if route := defaultRoute(); !strings.Contains(route, "proto ra") {
		t.Errorf("with a pod: the default route is %q", route)
	}
	// It hears of routers as before.
	host.Command(t, "ip", "-6", "route", "flush", "proto", "ra")
	for !strings.Contains(defaultRoute(), "proto ra") {
		if t.Context().Err() != nil {
			t.Fatal("with a pod: the host takes no default route")
		}
		time.Sleep(10 * time.Millisecond)
	}
	deletePod(t, p)
	if route := defaultRoute(); !strings.Contains(route, "proto ra") {
		t.Errorf("after the pod: the default route is %q", route)
	}
}

// advertise sends router advertisements from the outside until the test ends.
func advertise(t *testing.T, outside *nstest.Namespace) {
	t.Helper()
	// The kernel's own link-local address comes some time after the carrier.
	const own = "fe80::51"
	outside.Command(t, "ip", "address", "add", own+"/64", "dev", "eth0", "nodad")
	type sender struct {
		*ndp.Conn
		from net.HardwareAddr
	}
	router, err := nstest.Run(outside, func() (sender, error) {
		nic, err := net.InterfaceByName("eth0")
		if err != nil {
			return sender{}, err
		}
		conn, _, err := ndp.Listen(nic, own)
		return sender{conn, nic.HardwareAddr}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
		router.Close()
	})
	message := &ndp.RouterAdvertisement{
		CurrentHopLimit: 64,
		RouterLifetime:  30 * time.Minute,
		Options:         []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: router.from}},
	}
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := router.WriteTo(message, nil, netip.IPv6LinkLocalAllNodes()); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
}

// Who set up a firewall for forwarded packets meanwhile relies on forwarding.
func TestNewcomer(t *testing.T) {
	host, _ := uplink(t, 1400)
	run(t, "nft", "add table ip here-before; add chain ip here-before forward { type filter hook forward priority 0; }")
	t.Cleanup(func() { run(t, "nft", "delete table ip here-before") })
	var j journal

	p := makePod(t, "web")
	run(t, "nft", "add table ip docker; add chain ip docker postrouting { type nat hook postrouting priority 100; }")
	t.Cleanup(func() {
		run(t, "nft", "delete table ip docker")
		for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
			host.Sysctl(t, key, "0")
		}
		for _, device := range []string{"up0", "default"} {
			host.Sysctl(t, "net/ipv6/conf/"+device+"/accept_ra", "1")
		}
	})
	if err := p.Delete(t.Context(), j.logger()); err != nil {
		t.Fatal(err)
	}
	if valueOf(t, "net/ipv4/ip_forward") != "1" {
		t.Error("forwarding was switched off under somebody else")
	}
	if !j.contains("ip docker postrouting") || j.contains("here-before") {
		t.Errorf("logged: %s", j.text.String())
	}
}

// An operator learns why guests reach nothing.
func TestFirewall(t *testing.T) {
	uplink(t, 1400)
	run(t, "nft", "add table inet strict; add chain inet strict in { type filter hook input priority 0; policy drop; }; add chain inet strict forward { type filter hook forward priority 0; policy accept; }")
	run(t, "nft", "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
	t.Cleanup(func() { run(t, "nft", "delete table inet strict; delete table ip filter") })
	var j journal
	p, err := New(t.Context(), Config{Namespace: "test", Name: "web"}, j.logger())
	if err != nil {
		t.Fatal(err)
	}
	deletePod(t, p)
	for text, want := range map[string]bool{"ip filter FORWARD": true, "inet strict in": true, "inet strict forward": false} {
		if j.contains(text) != want {
			t.Errorf("%q in the log: got %v, want %v: %s", text, !want, want, j.text.String())
		}
	}
}

// The order in which `ip netns` and Tapir make their first namespaces on a host doesn't matter.
func TestNetNSBesideIPRoute2(t *testing.T) {
	leftovers.Check(t)
	run(t, "umount", netnsDir)
	p := makePod(t, "web")
	run(t, "ip", "netns", "add", "other")
	t.Cleanup(func() { run(t, "ip", "netns", "delete", "other") })
	output, err := exec.Command("ip", "netns", "list").Output()
	if names := strings.Fields(string(output)); err != nil || !slices.Contains(names, "other") || !slices.Contains(names, id("test", "web")) {
		t.Errorf("ip netns list: got %q, %v", names, err)
	}
	deletePod(t, p)
}

func BenchmarkNew(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	for b.Loop() {
		p, err := New(b.Context(), Config{Namespace: "test", Name: "web"}, log)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Delete(b.Context(), log); err != nil {
			b.Fatal(err)
		}
	}
}
