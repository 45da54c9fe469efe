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
		run:      func(s *scene) string { return s.tcp(s.Guest, netip.AddrPort{}, at(s.ip.Client, remotePort)) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest -> outside UDP",
		run:      func(s *scene) string { return s.udp(s.Guest, netip.AddrPort{}, at(s.ip.Client, remotePort), 512) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest pings outside",
		run:      func(s *scene) string { return s.pingFrom(s.Guest, s.ip.Guest, s.ip.Client, 56) },
		kubevirt: always("reply from client"),
	},
	{
		name:     "guest -> outside TCP, over a wire without offloads",
		run:      func(s *scene) string { return s.tcp(s.Guest, netip.AddrPort{}, at(s.ip.Far, remotePort)) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest -> outside UDP, over a wire without offloads",
		run:      func(s *scene) string { return s.udp(s.Guest, netip.AddrPort{}, at(s.ip.Far, remotePort), 512) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "guest pings outside, over a wire without offloads",
		run:      func(s *scene) string { return s.pingFrom(s.Guest, s.ip.Guest, s.ip.Far, 56) },
		kubevirt: always("reply from far"),
	},
	{
		name:     "pod process -> outside TCP",
		run:      func(s *scene) string { return s.tcp(s.Pod, netip.AddrPort{}, at(s.ip.Client, remotePort)) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "pod process -> outside UDP",
		run:      func(s *scene) string { return s.udp(s.Pod, netip.AddrPort{}, at(s.ip.Client, remotePort), 512) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "pod process pings outside",
		run:      func(s *scene) string { return s.pingFrom(s.Pod, s.ip.Pod, s.ip.Client, 56) },
		kubevirt: always("reply from client"),
	},
	{
		name:     "hop limit, DSCP and ECN of a datagram from guest to client",
		run:      func(s *scene) string { return s.marks(s.Guest, at(s.ip.Client, remotePort)) },
		kubevirt: always("hop limit 62, TOS 0xb9"),
	},
}

// pingFrom pings an outside host from one of its own addresses.
func (s *scene) pingFrom(from *nstest.Namespace, address, to netip.Prefix, size int) string {
	return s.ping(from, nstest.Ping{From: address.Addr(), To: to.Addr(), ID: 2, Size: size})
}

// marks describes how a datagram's header arrives that leaves with hop limit 64, DSCP EF and ECN ECT(1).
func (s *scene) marks(from *nstest.Namespace, to netip.AddrPort) string {
	client, err := from.DialUDP(netip.AddrPort{}, to)
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
