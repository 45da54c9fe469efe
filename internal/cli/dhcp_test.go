// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// attach --dhcp serves a real client, shows it in its metrics, and leaves the datapath when it is ended.
func TestAttachServesAddresses(t *testing.T) {
	net := nstest.NewTopology(t)
	at := []string{"--netns", net.Pod.Path(), "--tap", "tap0"}
	p := start(t, command(append([]string{"attach", "--dhcp", "--name", "shop/web/default", "--metrics-addr", "127.0.0.1:0"}, at...)...))
	t.Cleanup(func() { tapir(t, append([]string{"detach"}, at...)...) })
	_, url, _ := strings.Cut(p.wait(t, "metrics are at"), "metrics are at ")
	p.wait(t, "serving addresses")
	net.Guest.Sysctl(t, "net/ipv6/conf/default/accept_ra", "0") // Plug sets the routes that it would
	net.Plug(t)

	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nenv\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// -n: give up instead of trying for ever.
	out := net.Guest.Command(t, "busybox", "udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "10", "-s", script)
	for _, want := range []string{"ip=10.0.2.2", "router=10.0.2.1", "serverid=10.0.2.1", "mtu=1500"} {
		if !strings.Contains(out, want) {
			t.Errorf("lease lacks %s:\n%s", want, out)
		}
	}
	page, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	labels := `interface="default",name="web",namespace="shop"`
	for _, want := range []string{
		"tapir_dhcp_messages_total{" + labels, `type="ack",version="v4"} 1`,
		"kubevirt_vmi_network_receive_bytes_total{" + labels, "tapir_attach_duration_seconds_count 1",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("metrics lack %s:\n%s", want, page)
		}
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if out := tapir(t, append([]string{"status"}, at...)...); !strings.Contains(out, nstest.GuestMAC.String()) {
		t.Errorf("the datapath is gone, or has not learnt the guest's MAC:\n%s", out)
	}
}

// A second server on the tap can't begin; what was attached before stays.
func TestAttachServesOnce(t *testing.T) {
	pod := newPod(t)
	at := []string{"--netns", pod.Path(), "--tap", "tap0"}
	first := start(t, command(append([]string{"attach", "--dhcp", "--metrics-addr", "127.0.0.1:0"}, at...)...))
	t.Cleanup(func() { tapir(t, append([]string{"detach"}, at...)...) })
	_, url, _ := strings.Cut(first.wait(t, "metrics are at"), "http://")
	first.wait(t, "serving addresses")
	taken := strings.TrimSuffix(url, "/metrics")
	t.Run("metrics address in use", func(t *testing.T) {
		fails(t, command(append([]string{"attach", "--dhcp", "--metrics-addr", taken}, at...)...), taken, "in use")
	})
	if code := first.end(t, hangUp()); code != 0 {
		t.Errorf("exit code %d after its terminal went", code)
	}
}

// hangUp is what a process gets when its terminal goes, unless these tests run under nohup, and what they start with them.
func hangUp() syscall.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return syscall.SIGTERM
	}
	return syscall.SIGHUP
}

// A guest whose kernel reads the advertisements keeps its default route when it asks whether the gateway is still
// there: a gateway that doesn't say that it is a router in its answer would be none any more (RFC 4861, 7.2.5).
func TestKernelKeepsDefaultRoute(t *testing.T) {
	net, _ := attached(t, func(args ...string) {
		start(t, command(append(args, "--dhcp")...)).wait(t, "serving addresses")
	})
	net.Guest.Command(t, "ip", "-6", "route", "del", "default")
	net.Guest.Sysctl(t, "net/ipv6/conf/eth0/accept_ra", "1")
	net.Guest.Sysctl(t, "net/ipv6/conf/eth0/router_solicitation_interval", "1")
	net.Guest.Command(t, "ip", "link", "set", "eth0", "down") // to solicit when it comes up
	net.Guest.Command(t, "ip", "link", "set", "eth0", "up")
	eventually(t, "default route by advertisement", func() error {
		if out := net.Guest.Command(t, "ip", "-6", "route", "show", "default"); !strings.Contains(out, "via fe80::ff:fe00:0") {
			return errors.New(out)
		}
		return nil
	})
	net.Guest.Command(t, "ip", "addr", "replace", nstest.IPv6.Guest.String(), "dev", "eth0", "nodad")
	// As it is when the guest hasn't heard of the gateway for half a minute; five seconds after that it would ask.
	net.Guest.Sysctl(t, "net/ipv6/neigh/eth0/delay_first_probe_time", "0")
	net.Guest.Command(t, "ip", "neigh", "change", "fe80::ff:fe00:0", "lladdr", "02:00:00:00:00:00", "dev", "eth0", "router", "nud", "stale")
	net.Guest.Command(t, "ping", "-c", "4", "-i", "0.5", nstest.IPv6.Client.Addr().String())
	if out := net.Guest.Command(t, "ip", "-6", "route", "show", "default"); !strings.Contains(out, "via fe80::ff:fe00:0") {
		t.Errorf("the default route is gone: %q", out)
	}
}
