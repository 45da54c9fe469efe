// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// name is who has an address.
func (s *scene) name(address netip.Addr) string {
	for _, h := range []host{s.guest, s.client, s.far, s.node, s.pod, s.gateway, s.loopback} {
		if address.Unmap() == h.address {
			return h.name
		}
	}
	return address.String()
}

// seen describes whom a server saw when a client called from a port.
func (s *scene) seen(as netip.AddrPort, from uint16) string {
	if as.Port() == from {
		return "seen as " + s.name(as.Addr()) + ", port kept"
	}
	return "seen as " + s.name(as.Addr()) + ", port changed"
}

// failure describes an error of the network. Any other is the test's own, and fails it.
func (s *scene) failure(err error) string {
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	}
	s.t.Errorf("%s: a probe failed: %v", s.family, err)
	return err.Error()
}

// tcp calls a TCP server and describes what came of it.
func (s *scene) tcp(from host, to netip.AddrPort) string {
	return s.tcpFrom(from, s.anyPort(from).Port(), to)
}

// tcpFrom calls from a certain port.
func (s *scene) tcpFrom(from host, port uint16, to netip.AddrPort) string {
	client, err := from.DialTCP(from.at(port), to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	return s.seen(client.Seen, port)
}

// udp sends a datagram of so many bytes to a UDP server, and describes what came of it and of its echo.
func (s *scene) udp(from host, to netip.AddrPort, size int) string {
	return s.udpFrom(from, s.anyPort(from).Port(), to, size)
}

// udpFrom sends from a certain port.
func (s *scene) udpFrom(from host, port uint16, to netip.AddrPort, size int) string {
	client, err := from.DialUDP(from.at(port), to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	sighting, err := nstest.ExchangeUDP(client, make([]byte, size))
	if err != nil {
		return s.failure(err)
	}
	return s.seen(sighting.From, port)
}

// ping sends an echo with so many bytes and describes who answered.
func (s *scene) ping(from, to host, size int) string {
	return s.pingAs(1, from, to, size)
}

// pingAs pings with a certain identifier.
func (s *scene) pingAs(id int, from, to host, size int) string {
	return s.answer("reply", "IcmpInEchos", "Icmp6InEchos", nil, func() error {
		return from.Ping(nstest.Ping{From: from.address, To: to.address, ID: id, Size: size})
	})
}

// refusal sends a datagram that nobody awaits and describes who refused it.
func (s *scene) refusal(from host, to netip.AddrPort) string {
	return s.refusalFrom(from, s.anyPort(from).Port(), to)
}

// refusalFrom sends from a certain port.
func (s *scene) refusalFrom(from host, port uint16, to netip.AddrPort) string {
	return s.answer("port unreachable", "UdpNoPorts", "Udp6NoPorts", syscall.ECONNREFUSED, func() error {
		client, err := from.DialUDP(from.at(port), to)
		if err != nil {
			return err
		}
		defer client.Close()
		_, err = nstest.ExchangeUDP(client, []byte("anyone?"))
		return err
	})
}

// answer describes a request that is to end with an error (nil is one of them), and whose kernel answered it,
// by a counter of the family.
func (s *scene) answer(description, counter4, counter6 string, expected error, request func() error) string {
	counter := counter4
	if s.ipv6() {
		counter = counter6
	}
	hosts := []host{s.guest, s.pod, s.node, s.client, s.far}
	before := make([]uint64, len(hosts))
	for i, h := range hosts {
		before[i] = h.Counter(s.t, counter)
	}
	if err := request(); !errors.Is(err, expected) {
		return s.failure(err)
	}
	for i, h := range hosts {
		if h.Counter(s.t, counter) > before[i] {
			description += " from " + h.name
		}
	}
	return description
}

func (s *scene) ipv6() bool { return s.pod.address.Is6() }

// eventually waits until something has become true, and says whether it has.
func eventually(become func() bool) bool {
	for deadline := time.Now().Add(nstest.Patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if become() {
			return true
		}
	}
	return false
}

// port is the local one of a socket.
func port(socket net.Conn) uint16 {
	return netip.MustParseAddrPort(socket.LocalAddr().String()).Port()
}
