// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"bytes"

	"github.com/tapir-vm/tapir/internal/nstest"
)

const fragmented = 4000 // bytes: three fragments on a link with MTU 1500

// fragments is about packets in pieces, of which only the first has ports.
var fragments = []probe{
	{
		name:     "4000-byte ping, client -> pod IP",
		run:      func(s *scene) string { return s.ping(s.client, s.pod, fragmented) },
		kubevirt: byPorts("reply from guest", "reply from pod"),
	},
	{
		name:     "4000-byte ping, guest -> outside",
		run:      func(s *scene) string { return s.ping(s.guest, s.client, fragmented) },
		kubevirt: always("reply from client"),
	},
	{
		name:     "4000-byte ping, pod -> outside",
		run:      func(s *scene) string { return s.ping(s.pod, s.client, fragmented) },
		kubevirt: always("reply from client"),
	},
	{
		name:     "4000-byte ping, guest -> gateway",
		run:      func(s *scene) string { return s.ping(s.guest, s.gateway, fragmented) },
		kubevirt: always("reply from pod"),
	},
	{
		name: "4000-byte datagram and echo, client -> pod IP:8053",
		run: func(s *scene) string {
			return s.udp(s.client, s.pod.at(declaredUDP), fragmented)
		},
		kubevirt: always("seen as client, port kept"),
	},
	{
		name: "4000-byte datagram and echo, far -> pod IP:8053, once the path MTU is known",
		run: func(s *scene) string {
			// In IPv6 the first echo is lost: routers don't fragment, and the error for a fragment tells the guest.
			s.udp(s.far, s.pod.at(declaredUDP), fragmented)
			return s.udp(s.far, s.pod.at(declaredUDP), fragmented)
		},
		kubevirt: always("seen as far, port kept"),
	},
	{
		name: "4000-byte datagram and echo, guest -> outside",
		run: func(s *scene) string {
			return s.udp(s.guest, s.client.at(remotePort), fragmented)
		},
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name: "4000-byte datagram and echo, pod -> outside",
		run: func(s *scene) string {
			return s.udp(s.pod, s.client.at(remotePort), fragmented)
		},
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name: "4000-byte datagram and echo, pod -> loopback:8053",
		run: func(s *scene) string {
			return s.udp(s.loopback, s.loopback.at(declaredUDP), fragmented)
		},
		kubevirt: outcomes{"seen as gateway, port kept", "seen as gateway, port kept", "timeout", "timeout"},
		tapir:    &difference{always("seen as gateway, port kept"), reachesGuest},
	},
	{
		name:     "datagram in two fragments, the second first, client -> pod IP:8053",
		run:      (*scene).reversed,
		kubevirt: always("seen as client, port kept"),
	},
}

// reversed sends fragments in the wrong order, which a socket of the same port gets the echo of.
func (s *scene) reversed() string {
	to := s.pod.at(declaredUDP)
	client, err := s.dialUDP(s.client, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	payload := bytes.Repeat([]byte("order"), 300)
	from := s.client.at(port(client))
	if err := s.client.SendReversed(from, to, from.Port(), payload); err != nil {
		return s.failure(err)
	}
	sighting, err := nstest.ReceiveUDP(client, payload)
	if err != nil {
		return s.failure(err)
	}
	return s.seen(sighting.From, from.Port())
}
