// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// collisions is about ports and identifiers that both the guest and the pod use, and about whom a port belongs to.
var collisions = []probe{
	{
		name:     "guest's port to a destination that the pod has with the same port, TCP",
		run:      func(s *scene) string { return s.collideTCP(20000, s.pod, s.guest) },
		kubevirt: always("first: seen as pod, port kept; second: seen as pod, port changed; both alive"),
	},
	{
		name:     "pod's port to a destination that the guest has with the same port, TCP",
		run:      func(s *scene) string { return s.collideTCP(21000, s.guest, s.pod) },
		kubevirt: always("first: seen as pod, port kept; second: seen as pod, port changed; both alive"),
	},
	{
		name:     "guest's port to a destination that the pod has with the same port, UDP",
		run:      func(s *scene) string { return s.collideUDP(20000, s.pod, s.guest) },
		kubevirt: always("first: seen as pod, port kept; second: seen as pod, port changed; both alive"),
	},
	{
		name:     "pod's port to a destination that the guest has with the same port, UDP",
		run:      func(s *scene) string { return s.collideUDP(21000, s.guest, s.pod) },
		kubevirt: always("first: seen as pod, port kept; second: seen as pod, port changed; both alive"),
	},
	{
		name:     "guest's ping with an identifier that the pod uses",
		run:      func(s *scene) string { return s.collidePing(7, s.pod, s.guest) },
		kubevirt: always("first: reply from client; second: reply from client; first: reply from client"),
	},
	{
		name:     "pod's ping with an identifier that the guest uses",
		run:      func(s *scene) string { return s.collidePing(8, s.guest, s.pod) },
		kubevirt: always("first: reply from client; second: reply from client; first: reply from client"),
	},
	{
		name: "pod calls from a port that the guest serves, TCP",
		run: func(s *scene) string {
			before := s.tcp(s.client, s.pod.at(declaredTCP))
			pod := s.tcpFrom(s.pod, declaredTCP, s.client.at(remotePort))
			after := s.tcp(s.client, s.pod.at(declaredTCP))
			return before + "; " + pod + "; " + after
		},
		kubevirt: always("seen as client, port kept; seen as pod, port kept; seen as client, port kept"),
	},
	{
		name:     "guest calls from a port that the pod serves, TCP",
		run:      func(s *scene) string { return s.tcpFrom(s.guest, podPort, s.client.at(remotePort)) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name: "client calls again from the same port, TCP",
		run: func(s *scene) string {
			call := func() string {
				client, err := s.client.DialTCP(s.client.at(23000), s.pod.at(declaredTCP))
				if err != nil {
					return s.failure(err)
				}
				// Reset, so that the port is free at once.
				if err := client.Conn.(*net.TCPConn).SetLinger(0); err != nil {
					return s.failure(err)
				}
				defer client.Close()
				return s.seen(client.Seen, 23000)
			}
			return call() + "; " + call()
		},
		kubevirt: always("seen as client, port kept; seen as client, port kept"),
	},
	{
		name:     "a third host -> a port that the pod uses towards another, UDP",
		run:      func(s *scene) string { return s.third(22000, s.pod) },
		kubevirt: byPorts("port unreachable from guest", "port unreachable from pod"),
	},
	{
		name: "a third host -> a protocol that the guest uses towards another",
		run: func(s *scene) string {
			s.rawOutbound(experimental)
			return s.rawInbound(experimental)
		},
		kubevirt: byPorts("guest gets it", "pod gets it"),
	},
	{
		name:     "a third host -> a port that the guest uses towards another, UDP",
		run:      func(s *scene) string { return s.third(22001, s.guest) },
		kubevirt: byPorts("port unreachable from guest", "port unreachable from pod"),
	},
}

// collideTCP calls client from the same port of two hosts, and checks that both connections work at once.
func (s *scene) collideTCP(port uint16, a, b host) string {
	first, err := a.DialTCP(a.at(port), s.client.at(remotePort))
	if err != nil {
		return "first: " + s.failure(err)
	}
	defer first.Close()
	second, err := b.DialTCP(b.at(port), s.client.at(remotePort))
	if err != nil {
		return "second: " + s.failure(err)
	}
	defer second.Close()
	for _, connection := range []*nstest.TCPClient{first, second, first} {
		if err := connection.Echo([]byte("still there?")); err != nil {
			return "afterwards: " + s.failure(err)
		}
	}
	return "first: " + s.seen(first.Seen, port) + "; second: " + s.seen(second.Seen, port) + "; both alive"
}

// collideUDP does the same with two sockets.
func (s *scene) collideUDP(port uint16, a, b host) string {
	first, err := a.DialUDP(a.at(port), s.client.at(remotePort))
	if err != nil {
		return "first: " + s.failure(err)
	}
	defer first.Close()
	second, err := b.DialUDP(b.at(port), s.client.at(remotePort))
	if err != nil {
		return "second: " + s.failure(err)
	}
	defer second.Close()
	var seen [2]string
	for range 2 {
		for i, socket := range []*net.UDPConn{first, second} {
			sighting, err := nstest.ExchangeUDP(socket, []byte("who?"))
			if err != nil {
				return s.failure(err)
			}
			seen[i] = s.seen(sighting.From, port)
		}
	}
	return "first: " + seen[0] + "; second: " + seen[1] + "; both alive"
}

// collidePing pings client from two hosts with one identifier, one after the other and back.
func (s *scene) collidePing(id int, a, b host) string {
	return "first: " + s.pingAs(id, a, s.client, 56) +
		"; second: " + s.pingAs(id, b, s.client, 56) +
		"; first: " + s.pingAs(id, a, s.client, 56)
}

// third describes who answers far at a port from which someone talks to client.
func (s *scene) third(port uint16, owner host) string {
	if outcome := s.udpFrom(owner, port, s.client.at(remotePort), 56); outcome != "seen as pod, port kept" {
		return "before: " + outcome
	}
	return s.refusal(s.far, s.pod.at(port))
}
