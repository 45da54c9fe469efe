// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// trace is what traceroute shows: the pod is a router on the guest's way.
var trace = []probe{
	{
		name: "guest's traceroute to client, first hop",
		run: func(s *scene) string {
			return s.trace(s.guest, s.client.at(remotePort), 1)
		},
		kubevirt: always("time exceeded from gateway"),
	},
	{
		name: "guest's traceroute to client, second hop",
		run: func(s *scene) string {
			return s.trace(s.guest, s.client.at(remotePort), 2)
		},
		kubevirt: always("time exceeded from node"),
	},
	{
		name: "client's traceroute to the pod IP, second hop",
		run: func(s *scene) string {
			return s.trace(s.client, s.pod.at(declaredUDP), 2)
		},
		kubevirt: always("time exceeded from pod"),
	},
}

// trace describes who complains of a datagram that may pass fewer than so many routers.
func (s *scene) trace(from host, to netip.AddrPort, hops byte) string {
	complaints := from.ListenIP(s.t, from.address, nstest.ICMPProtocol(from.address))
	defer complaints.Close()
	client, err := s.dialUDP(from, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	if err := nstest.SetHopLimit(client, to.Addr(), hops); err != nil {
		return s.failure(err)
	}
	if _, err := client.Write([]byte("how far?")); err != nil {
		return s.failure(err)
	}
	router, err := nstest.ReadICMP(complaints, func(m *icmp.Message) bool {
		return m.Type == ipv4.ICMPTypeTimeExceeded || m.Type == ipv6.ICMPTypeTimeExceeded
	})
	if err != nil {
		return s.failure(err)
	}
	return "time exceeded from " + s.name(router)
}
