// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Ports that servers listen on while the probes run.
const (
	declaredTCP   = 8080
	undeclaredTCP = 8081
	migrationTCP  = 49152 // KubeVirt treats this one specially on its loopback path
	declaredUDP   = 8053
	undeclaredUDP = 8054
	remotePort    = 9000 // TCP and UDP, of client and far
	podTCP        = 9999 // only the pod listens there, on every address of its own
	nobody        = 5555
)

// A scene is a network with a datapath in it, as one address family sees it, and with its servers running.
type scene struct {
	*nstest.Topology
	t  *testing.T
	ip nstest.Family
}

func newScene(t *testing.T, network *nstest.Topology, family nstest.Family) *scene {
	s := &scene{network, t, family}
	for _, port := range []uint16{declaredTCP, undeclaredTCP, migrationTCP} {
		s.Guest.ServeTCP(t, at(family.Guest, port))
	}
	for _, port := range []uint16{declaredUDP, undeclaredUDP} {
		s.Guest.ServeUDP(t, at(family.Guest, port))
	}
	for _, remote := range []struct {
		*nstest.Namespace
		netip.Prefix
	}{{s.Client, family.Client}, {s.Far, family.Far}} {
		remote.ServeTCP(t, at(remote.Prefix, remotePort))
		remote.ServeUDP(t, at(remote.Prefix, remotePort))
	}
	for _, address := range []netip.Addr{family.Pod.Addr(), family.Gateway.Addr(), family.Loopback} {
		s.Pod.ServeTCP(t, netip.AddrPortFrom(address, podTCP))
	}
	return s
}

// at is a port of the host that a prefix belongs to.
func at(host netip.Prefix, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(host.Addr(), port)
}

// name is who has an address.
func (s *scene) name(address netip.Addr) string {
	for name, owner := range map[string]netip.Addr{
		"guest":    s.ip.Guest.Addr(),
		"gateway":  s.ip.Gateway.Addr(),
		"pod":      s.ip.Pod.Addr(),
		"node":     s.ip.Node.Addr(),
		"client":   s.ip.Client.Addr(),
		"far":      s.ip.Far.Addr(),
		"loopback": s.ip.Loopback,
	} {
		if address.Unmap() == owner {
			return name
		}
	}
	return address.String()
}

// seen describes whom a server saw when a client called from a port.
func (s *scene) seen(as netip.AddrPort, from uint16) string {
	if as.Port() == from {
		return fmt.Sprintf("seen as %s, port kept", s.name(as.Addr()))
	}
	return fmt.Sprintf("seen as %s, port changed", s.name(as.Addr()))
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
	case errors.Is(err, syscall.EMSGSIZE):
		return "too long"
	}
	s.t.Errorf("%s: a probe failed: %v", s.ip.Name, err)
	return err.Error()
}

// tcp calls a TCP server and describes what came of it. A local port of 0 is any.
func (s *scene) tcp(from *nstest.Namespace, local, to netip.AddrPort) string {
	client, err := from.DialTCP(local, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	return s.seen(client.Seen, localPort(client))
}

// udp sends a datagram of so many bytes to a UDP server, and describes what came of it and of its echo.
func (s *scene) udp(from *nstest.Namespace, local, to netip.AddrPort, size int) string {
	client, err := from.DialUDP(local, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	sighting, err := nstest.ExchangeUDP(client, make([]byte, size))
	if err != nil {
		return s.failure(err)
	}
	return s.seen(sighting.From, localPort(client))
}

// ping sends an echo and describes who answered, by the counters of received echos.
func (s *scene) ping(from *nstest.Namespace, p nstest.Ping) string {
	counter := "IcmpInEchos"
	if p.To.Is6() {
		counter = "Icmp6InEchos"
	}
	return s.answer("reply", counter, func() error { return from.Ping(p) }, nil)
}

// refusal sends a datagram that nobody awaits and describes who refused it.
func (s *scene) refusal(from *nstest.Namespace, to netip.AddrPort) string {
	counter := "UdpNoPorts"
	if to.Addr().Is6() {
		counter = "Udp6NoPorts"
	}
	return s.answer("port unreachable", counter, func() error {
		client, err := from.DialUDP(netip.AddrPort{}, to)
		if err != nil {
			return err
		}
		defer client.Close()
		_, err = nstest.ExchangeUDP(client, []byte("anyone?"))
		return err
	}, syscall.ECONNREFUSED)
}

// answer describes a request that is expected to end with an error (nil is one of them), and in whose
// namespace a counter says that it was answered.
func (s *scene) answer(description, counter string, request func() error, expected error) string {
	namespaces := []struct {
		name string
		*nstest.Namespace
	}{{"guest", s.Guest}, {"pod", s.Pod}, {"client", s.Client}, {"far", s.Far}}
	before := make([]uint64, len(namespaces))
	for i, n := range namespaces {
		before[i] = n.Counter(s.t, counter)
	}
	if err := request(); !errors.Is(err, expected) {
		return s.failure(err)
	}
	for i, n := range namespaces {
		if n.Counter(s.t, counter) > before[i] {
			description += " from " + n.name
		}
	}
	return description
}

// localPort is the port that a connection was made from.
func localPort(connection interface{ LocalAddr() net.Addr }) uint16 {
	return netip.MustParseAddrPort(connection.LocalAddr().String()).Port()
}
