// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

const servedPort = 8080

// attached is a topology whose guest is plugged in behind an attached datapath, and how to name its tap.
func attached(t *testing.T, attach func(args ...string)) (*nstest.Topology, []string) {
	t.Helper()
	net := nstest.NewTopology(t)
	net.Guest.Sysctl(t, "net/ipv6/conf/default/accept_ra", "0") // Plug sets the routes that it would
	at := []string{"--netns", net.Pod.Path(), "--tap", "tap0"}
	attach(append([]string{"attach"}, at...)...)
	t.Cleanup(func() { tapir(t, append([]string{"detach"}, at...)...) })
	net.Plug(t)
	eventually(t, "the guest's IPv6 address", func() error {
		if tentative := net.Guest.Command(t, "ip", "-6", "addr", "show", "dev", "eth0", "tentative"); tentative != "" {
			return errors.New("it is not there yet: " + tentative)
		}
		return nil
	})
	return net, at
}

// A transfer in both directions is in no way disturbed when every process of Tapir is killed.
func TestTransferOutlivesTapir(t *testing.T) {
	var p *process
	net, _ := attached(t, func(args ...string) {
		p = start(t, command(append(args, "--dhcp")...))
		p.wait(t, "serving addresses")
	})
	for _, f := range []nstest.Family{nstest.IPv4, nstest.IPv6} {
		net.Guest.ServeTCP(t, netip.AddrPortFrom(f.Guest.Addr(), servedPort))
	}
	data := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	connect := func(f nstest.Family) *nstest.TCPClient {
		c, err := net.Client.DialTCP(netip.AddrPort{}, netip.AddrPortFrom(f.Pod.Addr(), servedPort))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	clients := map[string]*nstest.TCPClient{"v4": connect(nstest.IPv4), "v6": connect(nstest.IPv6)}
	echo := func(when string) {
		for family, c := range clients {
			if err := c.Echo(data); err != nil {
				t.Errorf("%s, %s: %v", family, when, err)
			}
		}
	}
	echo("before")
	killed := make(chan struct{})
	go func() { // in the midst of the next transfer, as far as one can tell
		defer close(killed)
		_ = p.Process.Signal(syscall.SIGKILL)
	}()
	echo("while tapir is killed")
	<-killed
	echo("after")
	connect(nstest.IPv4) // new connections work, too
}

// Attaching again with other ports, and with settings that take other programs, loses no packet.
func TestAttachAgainUnderTraffic(t *testing.T) {
	net, at := attached(t, func(args ...string) { tapir(t, args...) })
	stop := make(chan struct{})
	ended := make(chan error)
	streams := 0
	for _, f := range []nstest.Family{nstest.IPv4, nstest.IPv6} {
		net.Guest.ServeUDP(t, netip.AddrPortFrom(f.Guest.Addr(), servedPort))
		c, err := net.Client.DialUDP(netip.AddrPort{}, netip.AddrPortFrom(f.Pod.Addr(), servedPort))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		streams++
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					ended <- nil
					return
				default:
				}
				if _, err := nstest.ExchangeUDP(c, bytes.Repeat([]byte{byte(n)}, 1000)); err != nil {
					ended <- fmt.Errorf("datagram %d, %s: %w", n, f.Name, err)
					return
				}
			}
		}()
	}
	udp := fmt.Sprintf("udp/%d", servedPort)
	for range 5 {
		for _, change := range [][]string{{"--port", udp}, {"--port", udp, "--port", "tcp/1"}, {"--mtu", "1400"}, {}} {
			tapir(t, append(append([]string{"attach"}, at...), change...)...)
		}
	}
	close(stop)
	for range streams {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	// What is not declared any more is the pod's, which refuses it.
	tapir(t, append(append([]string{"attach"}, at...), "--port", "tcp/1")...)
	c, err := net.Client.DialUDP(netip.AddrPort{}, netip.AddrPortFrom(nstest.IPv4.Pod.Addr(), servedPort))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := nstest.ExchangeUDP(c, []byte("x")); err == nil {
		t.Error("the guest answers on a port that isn't declared")
	}
}
