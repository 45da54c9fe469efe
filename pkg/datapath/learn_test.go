// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// The guest's MAC is the one that it used first, unless it is configured.
func TestMACIsLearnt(t *testing.T) {
	n := nstest.NewTopology(t)
	cfg := config(n.Pod)
	attach(t, cfg)
	if s := status(t, cfg); s.GuestMAC != "" {
		t.Errorf("before the guest said a word, its MAC is %s", s.GuestMAC)
	}
	n.Plug(t)
	serve(t, n)
	knows := func(when string, mac net.HardwareAddr) {
		t.Helper()
		if s := status(t, cfg); s.GuestMAC != mac.String() {
			t.Errorf("%s: the guest's MAC is %q, want %s", when, s.GuestMAC, mac)
		}
	}
	knows("learnt", nstest.GuestMAC)
	again(t, cfg)
	knows("attached again", nstest.GuestMAC)
	cfg.MTU = 1400
	again(t, cfg)
	knows("with new programs", nstest.GuestMAC)
	works(t, n)

	other := net.HardwareAddr{0x02, 0xf0, 0x0d, 0, 0, 0x02}
	n.Guest.Command(t, "ip", "link", "set", "eth0", "address", other.String())
	before := spoofed(t, cfg)
	socket := dialUDP(t, n.Guest, netip.AddrPortFrom(nstest.IPv4.Client.Addr(), remotePort))
	if _, err := socket.Write([]byte("I am somebody else")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a drop of the frame with another MAC", func() bool { return spoofed(t, cfg) > before })
	knows("after frames with another MAC", nstest.GuestMAC)

	cfg.MAC = other
	again(t, cfg)
	knows("configured", other)
	for _, f := range both {
		awaitGuest(t, n, f) // the guest's neighbours have to notice
	}
	works(t, n)

	third := net.HardwareAddr{0x02, 0xf0, 0x0d, 0, 0, 0x03}
	n.Guest.Command(t, "ip", "link", "set", "eth0", "address", third.String())
	cfg.MAC = nil
	again(t, cfg)
	for _, f := range both {
		dialUDP(t, n.Guest, netip.AddrPortFrom(f.Client.Addr(), remotePort)).Write([]byte("my name is"))
		awaitGuest(t, n, f)
	}
	knows("no longer configured", third)
}

func spoofed(t *testing.T, cfg Config) (packets uint64) {
	t.Helper()
	for _, d := range drops(t, cfg) {
		if d.Reason == reasonNames[masqueradeDropReasonDROP_SPOOFED_MAC] {
			packets += d.Packets
		}
	}
	return packets
}
