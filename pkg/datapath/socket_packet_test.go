// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// When all else is forgotten, the pod's sockets tell what is the pod's.
func TestPacketPodSocket(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		hold(t, f.pod)
		hold(t, f.remote)
		for network, k := range map[string]kind{"tcp": tcpACK, "udp": udp} {
			t.Run(network, func(t *testing.T) {
				local, remote := connect(t, network, f.pod, f.remote)
				r := newRig(t, rigConfig{})
				in := packet(k, f.remote, f.pod, remote, local)
				r.nicIn(t, in).passes()
				other := in.ports(remote, local+1)
				r.nicIn(t, other).toGuest(other.to(f.guest).hop())

				// Also where the guest has the slot by accident.
				r.reset(t)
				r.set(t, nil, guestMAC)
				r.ownEverything(t, masqueradeSideSIDE_GUEST)
				r.nicIn(t, in).passes()
			})
		}
	})
}

// A UDP socket that isn't connected may be anybody's partner: it counts where the pod has used the slot as well.
func TestPacketPodSocketUnconnected(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		hold(t, f.pod)
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.pod, 0)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r := newRig(t, rigConfig{})
		in := packet(udp, f.remote, f.pod, 53, portOf(c.LocalAddr()))
		r.ownEverything(t, masqueradeSideSIDE_GUEST, masqueradeSideSIDE_POD)
		r.nicIn(t, in).passes()
		other := in.ports(53, int(in.dport)-1)
		r.nicIn(t, other).toGuest(other.to(f.guest).hop())
		r.evict(t)
		r.ownEverything(t, masqueradeSideSIDE_GUEST)
		r.nicIn(t, in).toGuest(in.to(f.guest).hop())
	})
}

// hold gives loopback an address, so that sockets can have it.
func hold(t *testing.T, a netip.Addr) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	address := &netlink.Addr{
		IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())},
		Flags: unix.IFA_F_NODAD, // usable at once
	}
	if err := netlink.AddrAdd(lo, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.AddrDel(lo, address); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { // the kernel adds IPv6's route later
		routes, err := netlink.RouteGet(a.AsSlice())
		if err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s doesn't become local: %v, %v", a, routes, err)
		}
	}
}

// connect opens a socket that is connected from one address to another, and returns the ports of its ends.
func connect(t *testing.T, network string, from, to netip.Addr) (local, remote int) {
	t.Helper()
	var peer net.Addr
	if network == "tcp" {
		l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(netip.AddrPortFrom(to, 0)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		peer = l.Addr()
	} else {
		l, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 0)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		peer = l.LocalAddr()
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	if network == "udp" {
		dialer.LocalAddr = &net.UDPAddr{IP: from.AsSlice()}
	}
	c, err := dialer.Dial(network, peer.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return portOf(c.LocalAddr()), portOf(peer)
}

func portOf(a net.Addr) int { return int(netip.MustParseAddrPort(a.String()).Port()) }
