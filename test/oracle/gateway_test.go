// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// gateway is what passes between the guest and the pod itself.
var gateway = []probe{
	{
		name:     "guest pings its gateway",
		run:      func(s *scene) string { return s.pingFrom(s.Guest, s.ip.Guest, s.ip.Gateway, 56) },
		kubevirt: always("reply from pod"),
	},
	{
		name:     "guest -> its gateway TCP, the pod listens",
		run:      func(s *scene) string { return s.tcp(s.Guest, netip.AddrPort{}, at(s.ip.Gateway, podTCP)) },
		kubevirt: always("seen as guest, port kept"),
	},
	{
		name:     "guest -> its gateway TCP, nobody listens",
		run:      func(s *scene) string { return s.tcp(s.Guest, netip.AddrPort{}, at(s.ip.Gateway, nobody)) },
		kubevirt: always("refused"),
	},
	{
		name:     "pod process -> guest's private address:8080 TCP",
		run:      func(s *scene) string { return s.tcp(s.Pod, netip.AddrPort{}, at(s.ip.Guest, declaredTCP)) },
		kubevirt: always("seen as gateway, port kept"),
	},
	{
		name:     "pod process -> guest's private address:8081 TCP",
		run:      func(s *scene) string { return s.tcp(s.Pod, netip.AddrPort{}, at(s.ip.Guest, undeclaredTCP)) },
		kubevirt: always("seen as gateway, port kept"),
	},
	{
		name:     "guest's traceroute, first hop",
		run:      func(s *scene) string { return s.trace(1) },
		kubevirt: always("time exceeded from gateway"),
	},
	{
		name:     "guest's traceroute, second hop",
		run:      func(s *scene) string { return s.trace(2) },
		kubevirt: always("time exceeded from node"),
	},
}

// trace describes who answers a datagram from guest to client that may pass fewer than so many routers.
func (s *scene) trace(hops byte) string {
	errors := s.Guest.ListenIP(s.t, s.ip.Guest.Addr(), nstest.ICMPProtocol(s.ip.Guest.Addr()))
	defer errors.Close()
	client, err := s.Guest.DialUDP(netip.AddrPort{}, at(s.ip.Client, remotePort))
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	if err := nstest.SetHopLimit(client, s.ip.Client.Addr(), hops); err != nil {
		return s.failure(err)
	}
	if _, err := client.Write([]byte("how far?")); err != nil {
		return s.failure(err)
	}
	from, err := nstest.ReadICMP(errors, func(m *icmp.Message) bool {
		return m.Type == ipv4.ICMPTypeTimeExceeded || m.Type == ipv6.ICMPTypeTimeExceeded
	})
	if err != nil {
		return s.failure(err)
	}
	return "time exceeded from " + s.name(from)
}
