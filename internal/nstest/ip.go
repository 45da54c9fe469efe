// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A raw socket gets every message of its protocol that comes to the host. With the default buffer those that nobody
// asked for push out the awaited one when the reader is late (/proc/net/raw counts it as a drop), which looks like loss
// on the way.
const rawBuffer = 4 << 20

// ListenIP opens a raw socket for an IP protocol, bound to an address of the namespace, until the
// test ends. It reads and writes what follows the IP header.
func (n *Namespace) ListenIP(t testing.TB, at netip.Addr, protocol int) *net.IPConn {
	t.Helper()
	socket, err := n.listenIP(at, protocol)
	if err != nil {
		t.Fatalf("opening a raw socket for protocol %d on %s: %v", protocol, at, err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

func (n *Namespace) listenIP(at netip.Addr, protocol int) (*net.IPConn, error) {
	return Run(n, func() (*net.IPConn, error) {
		name := fmt.Sprintf("%s:%d", network("ip", at), protocol)
		socket, err := net.ListenIP(name, &net.IPAddr{IP: at.AsSlice()})
		if err != nil {
			return nil, err
		}
		return socket, socket.SetReadBuffer(rawBuffer)
	})
}

// SendIP sends what follows the IP header from a socket of ListenIP.
func SendIP(socket *net.IPConn, to netip.Addr, packet []byte) error {
	_, err := socket.WriteToIP(packet, &net.IPAddr{IP: to.AsSlice()})
	return err
}

// A Ping is one ICMP echo.
type Ping struct {
	From, To     netip.Addr
	ID           int
	Size         int  // of the payload, in bytes
	DontFragment bool // see [DontFragment]
}

// Ping sends an echo and waits for a reply with the same payload.
func (n *Namespace) Ping(p Ping) error {
	socket, err := n.listenIP(p.From, ICMPProtocol(p.To))
	if err != nil {
		return err
	}
	defer socket.Close()
	if p.DontFragment {
		if err := DontFragment(socket, p.To); err != nil {
			return err
		}
	}

	var request, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if p.To.Is6() {
		request, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	payload := bytes.Repeat([]byte("tapir"), p.Size/5+1)[:p.Size]
	message := icmp.Message{Type: request, Body: &icmp.Echo{ID: p.ID, Seq: 1, Data: payload}}
	packet, err := message.Marshal(nil) // the kernel adds ICMPv6's checksum
	if err != nil {
		return err
	}
	if err := SendIP(socket, p.To, packet); err != nil {
		return err
	}
	_, err = ReadICMP(socket, func(m *icmp.Message) bool {
		echo, isEcho := m.Body.(*icmp.Echo)
		return isEcho && m.Type == reply && echo.ID == p.ID && bytes.Equal(echo.Data, payload)
	})
	return err
}

// ReadICMP waits for the first ICMP message that the caller wants, on a socket of ListenIP, and says
// who sent it.
func ReadICMP(socket *net.IPConn, wanted func(*icmp.Message) bool) (netip.Addr, error) {
	if err := socket.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		return netip.Addr{}, err
	}
	packet := make([]byte, 1<<16)
	for {
		size, sender, err := socket.ReadFromIP(packet)
		if err != nil {
			return netip.Addr{}, err
		}
		from, _ := netip.AddrFromSlice(sender.IP)
		from = from.Unmap()
		message, err := icmp.ParseMessage(ICMPProtocol(from), packet[:size])
		if err == nil && wanted(message) {
			return from, nil
		}
	}
}

// ICMPProtocol is the IP protocol number of ICMP in an address's family.
func ICMPProtocol(address netip.Addr) int {
	if address.Is4() {
		return ipv4.ICMPTypeEcho.Protocol()
	}
	return ipv6.ICMPTypeEchoRequest.Protocol()
}
