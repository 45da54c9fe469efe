// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// patience ends a test that waits for what will never come.
const patience = 20 * time.Second

// dial4 is a guest's DHCPv4 client socket.
func dial4(t *testing.T, guest *nstest.Namespace, from string) *net.UDPConn {
	t.Helper()
	conn, err := nstest.Run(guest, func() (*net.UDPConn, error) {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

func exchange4(t *testing.T, conn *net.UDPConn, to string, message []byte) *dhcpv4.DHCPv4 {
	t.Helper()
	if _, err := conn.WriteToUDPAddrPort(message, netip.MustParseAddrPort(to)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2000)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := dhcpv4.FromBytes(buffer[:n])
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// TestNoChecksum4: no client sees the partial checksum that a veth's or tap's offload would leave.
func TestNoChecksum4(t *testing.T) {
	n := newNetwork(t)
	n.serve(t)
	raw, err := nstest.Run(n.guest, func() (*net.IPConn, error) { return net.ListenIP("ip4:udp", nil) })
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetReadDeadline(time.Now().Add(patience))

	udhcpc(t, n.guest)
	datagram := make([]byte, 2000)
	size, from, err := raw.ReadFromIP(datagram)
	if err != nil {
		t.Fatal(err)
	}
	// RFC 768: ports, length, checksum.
	want := []byte{0, 67, 0, 68, byte(size >> 8), byte(size), 0, 0}
	if header := datagram[:8]; !bytes.Equal(header, want) || !from.IP.Equal(net.IPv4(10, 0, 2, 1)) {
		t.Errorf("offer from %v with UDP header %v, want 10.0.2.1 and %v", from, header, want)
	}
}

// TestRenewIsUnicast4: a guest that has its address is answered there.
func TestRenewIsUnicast4(t *testing.T) {
	n := newNetwork(t)
	n.serve(t)
	n.guest.Address(t, "eth0", netip.MustParsePrefix("10.0.2.2/24"))
	// A socket that is bound to an address gets no broadcasts.
	conn := dial4(t, n.guest, "10.0.2.2:68")
	reply := exchange4(t, conn, "10.0.2.1:67", message4(t, dhcpv4.MessageTypeRequest, having("10.0.2.2")))
	if reply.MessageType() != dhcpv4.MessageTypeAck {
		t.Errorf("got a %v", reply.MessageType())
	}
}

// TestHostileMessages4: what must not be answered is counted, and the server goes on.
func TestHostileMessages4(t *testing.T) {
	n := newNetwork(t)
	servers := n.serve(t)
	n.guest.Address(t, "eth0", netip.MustParsePrefix("10.0.2.2/24"))
	conn := dial4(t, n.guest, "10.0.2.2:68")
	for _, message := range [][]byte{
		{}, {1}, make([]byte, 300), make([]byte, 3000),
		message4(t, dhcpv4.MessageTypeRequest, naming("10.0.2.9"), requesting("10.0.2.2")),
	} {
		if _, err := conn.WriteToUDPAddrPort(message, netip.MustParseAddrPort("10.0.2.1:67")); err != nil {
			t.Fatal(err)
		}
	}
	exchange4(t, conn, "10.0.2.1:67", message4(t, dhcpv4.MessageTypeRequest, having("10.0.2.2")))
	servers.check(t, "v4", Stats{Malformed: 4, Ignored: 1, "request": 1, "ack": 1})
}

// A host is a guest's side of router discovery.
type host struct{ *ipv6.PacketConn }

func discover(t *testing.T, guest *nstest.Namespace) host {
	t.Helper()
	conn, err := nstest.Run(guest, func() (net.PacketConn, error) {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return nil, err
		}
		// The kernel's own membership of ff02::1 is not the socket's.
		file, err := open("guest", unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6, bindTo(link), join(link, allNodes))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return net.FilePacketConn(file)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))

	h := host{ipv6.NewPacketConn(conn)}
	if err := h.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst|ipv6.FlagSrc, true); err != nil {
		t.Fatal(err)
	}
	filter := &ipv6.ICMPFilter{}
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterAdvertisement)
	if err := h.SetICMPFilter(filter); err != nil {
		t.Fatal(err)
	}
	return h
}

// advertised is the next advertisement, with how it came.
func (h host) advertised(t *testing.T) (*ndp.RouterAdvertisement, *ipv6.ControlMessage) {
	t.Helper()
	buffer := make([]byte, 2000)
	n, control, from, err := h.ReadFrom(buffer)
	if err != nil {
		t.Fatalf("waiting for an advertisement: %v", err)
	}
	if want := net.ParseIP("fe80::ff:fe00:0"); !from.(*net.IPAddr).IP.Equal(want) || control.HopLimit != 255 {
		t.Errorf("advertisement from %v with hop limit %d, want %v and 255", from, control.HopLimit, want)
	}
	m, err := ndp.ParseMessage(buffer[:n])
	if err != nil {
		t.Fatal(err)
	}
	return m.(*ndp.RouterAdvertisement), control
}

func (h host) solicit(t *testing.T, hopLimit int) {
	t.Helper()
	message, err := ndp.MarshalMessage(&ndp.RouterSolicitation{})
	if err != nil {
		t.Fatal(err)
	}
	control := &ipv6.ControlMessage{HopLimit: hopLimit}
	if _, err := h.WriteTo(message, control, &net.IPAddr{IP: allRouters.AsSlice()}); err != nil {
		t.Fatal(err)
	}
}

// TestSolicitation: a solicitation is answered to the guest alone, and not at all when a router forwarded it.
func TestSolicitation(t *testing.T) {
	n := newNetwork(t)
	guest := discover(t, n.guest)
	servers := n.serve(t)

	if _, how := guest.advertised(t); !how.Dst.IsMulticast() {
		t.Errorf("the first advertisement went to %v, want it to go to all", how.Dst)
	}
	guest.solicit(t, 64)
	guest.solicit(t, 255)
	if _, how := guest.advertised(t); how.Dst.IsMulticast() {
		t.Errorf("the answer went to %v, want it to go to the guest alone", how.Dst)
	}
	servers.check(t, "ra", Stats{"advertisement": 2, "solicitation": 1, Malformed: 1})
}

// TestNoLastWord: an advertiser that ends takes no route away, and one that starts anew says the same.
func TestNoLastWord(t *testing.T) {
	n := newNetwork(t)
	guest := discover(t, n.guest)
	sockets := n.open(t)
	for range 2 {
		a, err := NewAdvertiser(sockets.RA, testConfigRA(), testLog(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- a.Serve(ctx) }()
		if ra, _ := guest.advertised(t); ra.RouterLifetime != RouterLifetime {
			t.Errorf("advertised a router lifetime of %v, want %v", ra.RouterLifetime, RouterLifetime)
		}
		cancel()
		if err := <-served; err != nil {
			t.Fatalf("serving: %v", err)
		}
		checkStats(t, a.Stats(), Stats{"advertisement": 1})
	}
}

// TestKernelTakesRouter: a Linux guest gets its default route and on-link prefix, and makes itself no address.
func TestKernelTakesRouter(t *testing.T) {
	n := newNetwork(t)
	guest := discover(t, n.guest) // hears what the kernel has heard already
	n.serve(t)
	guest.advertised(t)

	routes := n.guest.Command(t, "ip", "-6", "route", "show", "dev", "eth0")
	for _, want := range []string{`(?m)^default via fe80::ff:fe00:0 proto ra .* mtu 1450 `, `(?m)^fd10:0:2::/120 proto kernel `} {
		if !regexp.MustCompile(want).MatchString(routes) {
			t.Errorf("no route like %s in\n%s", want, routes)
		}
	}
	if addresses := n.guest.Command(t, "ip", "-6", "address", "show", "dev", "eth0", "scope", "global"); addresses != "" {
		t.Errorf("the kernel made itself an address:\n%s", addresses)
	}
	if routes := n.pod.Command(t, "ip", "-6", "route", "show", "default"); routes != "" {
		t.Errorf("the pod believed its own advertisement:\n%s", routes)
	}
}

// TestReplyNotSent: a reply that can't leave is counted, and the server goes on.
func TestReplyNotSent(t *testing.T) {
	n := newNetwork(t)
	guest := discover(t, n.guest)
	servers := n.serve(t)
	guest.advertised(t)
	n.pod.Command(t, "ip", "address", "delete", "fe80::ff:fe00:0/64", "dev", "tap0")
	guest.solicit(t, 255)
	eventually(t, "a failed reply", func() bool { return servers.Stats()["ra"][Failed] == 1 })
	n.pod.Command(t, "ip", "address", "add", "fe80::ff:fe00:0/64", "dev", "tap0")
	settle(t, n.pod, "tap0")
	guest.solicit(t, 255)
	guest.advertised(t)
	servers.check(t, "ra", Stats{"advertisement": 2, "solicitation": 2, Failed: 1})
}

// TestDeviceGone: servers outlive their device quietly, until their owner ends them.
func TestDeviceGone(t *testing.T) {
	n := newNetwork(t)
	servers := n.serve(t)
	udhcpc(t, n.guest)
	n.pod.Command(t, "ip", "link", "delete", "tap0")
	servers.check(t, "v4", Stats{"discover": 1, "offer": 1, "request": 1, "ack": 1})
}
