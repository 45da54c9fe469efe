// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/netip"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// outbound is what the guest and the pod start towards others.
var outbound = []probe{
	{
		name:     "guest -> outside TCP",
		run:      func(s *scene) string { return s.tcp(s.guest, s.client.at(remotePort)) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest -> outside UDP",
		run:      func(s *scene) string { return s.udp(s.guest, s.client.at(remotePort), 512) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest pings outside",
		run:      func(s *scene) string { return s.ping(s.guest, s.client, 56) },
		kubevirt: always("reply from client"),
	},
	{
		name:     "guest pings the node",
		run:      func(s *scene) string { return s.ping(s.guest, s.node, 56) },
		kubevirt: always("reply from node"),
	},
	{
		name:     "guest -> outside TCP, over a wire without offloads",
		run:      func(s *scene) string { return s.tcp(s.guest, s.far.at(remotePort)) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest -> outside UDP, over a wire without offloads",
		run:      func(s *scene) string { return s.udp(s.guest, s.far.at(remotePort), 512) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest pings outside, over a wire without offloads",
		run:      func(s *scene) string { return s.ping(s.guest, s.far, 56) },
		kubevirt: always("reply from far"),
	},
	{
		name:     "pod process -> outside TCP",
		run:      func(s *scene) string { return s.tcp(s.pod, s.client.at(remotePort)) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "pod process -> outside UDP",
		run:      func(s *scene) string { return s.udp(s.pod, s.client.at(remotePort), 512) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "pod process pings outside",
		run:      func(s *scene) string { return s.ping(s.pod, s.client, 56) },
		kubevirt: always("reply from client"),
	},
	{
		name:     "hop limit, DSCP and ECN of a datagram from guest to client",
		run:      func(s *scene) string { return s.marks(s.guest, s.client.at(remotePort)) },
		kubevirt: always("hop limit 62, TOS 0xb9"),
	},
}

// marks describes how a datagram's header arrives that leaves with hop limit 64, DSCP EF and ECN ECT(1).
func (s *scene) marks(from host, to netip.AddrPort) string {
	client, err := s.dialUDP(from, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	if err := nstest.SetTOS(client, to.Addr(), 46<<2|1); err != nil {
		return s.failure(err)
	}
	sighting, err := nstest.ExchangeUDP(client, []byte("marked"))
	if err != nil {
		return s.failure(err)
	}
	return fmt.Sprintf("hop limit %d, TOS %#x", sighting.HopLimit, sighting.TOS)
}
