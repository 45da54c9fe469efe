// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// unreachable is about errors that come back for what was sent: their embedded headers must be translated too.
var unreachable = []probe{
	{
		name:     "guest -> closed remote port UDP",
		run:      func(s *scene) string { return s.refusal(s.guest, s.client.at(nobody)) },
		kubevirt: always("port unreachable from client"),
	},
	{
		name:     "guest -> closed remote port UDP, over a wire without offloads",
		run:      func(s *scene) string { return s.refusal(s.guest, s.far.at(nobody)) },
		kubevirt: always("port unreachable from far"),
	},
	{
		name:     "guest -> closed remote port TCP",
		run:      func(s *scene) string { return s.tcp(s.guest, s.client.at(nobody)) },
		kubevirt: always("refused"),
	},
	{
		name:     "pod process -> closed remote port UDP",
		run:      func(s *scene) string { return s.refusal(s.pod, s.client.at(nobody)) },
		kubevirt: always("port unreachable from client"),
	},
	{
		name:     "guest -> where nobody has a route, TCP",
		run:      func(s *scene) string { return s.tcp(s.guest, netip.AddrPortFrom(s.nowhere(), 80)) },
		kubevirt: always("unreachable"),
	},
	{
		name:     "guest answers a client that is gone (UDP)",
		run:      (*scene).answerNobody,
		kubevirt: always("guest hears of it"),
	},
}

// nowhere is an address that the node has no route to.
func (s *scene) nowhere() netip.Addr {
	if s.ipv6() {
		return netip.MustParseAddr("2001:db8:dead::1")
	}
	return netip.MustParseAddr("203.0.113.1")
}

// answerNobody sends the guest's server a datagram from a port that no socket has.
func (s *scene) answerNobody() string {
	const udpHeader = 8
	client := s.client.ListenIP(s.t, s.client.address, syscall.IPPROTO_UDP)
	defer client.Close()
	counter := "IcmpInDestUnreachs"
	if s.ipv6() {
		counter = "Icmp6InDestUnreachs"
		// The kernel fills in the checksum, at this place.
		if err := nstest.SetOption(client, unix.IPPROTO_IPV6, unix.IPV6_CHECKSUM, 6); err != nil {
			return s.failure(err)
		}
	}
	before := s.guest.Counter(s.t, counter)
	datagram := binary.BigEndian.AppendUint16(nil, nobody)
	datagram = binary.BigEndian.AppendUint16(datagram, declaredUDP)
	datagram = binary.BigEndian.AppendUint16(datagram, udpHeader)
	datagram = binary.BigEndian.AppendUint16(datagram, 0)
	if err := nstest.SendIP(client, s.pod.address, datagram); err != nil {
		return s.failure(err)
	}
	if !eventually(func() bool { return s.guest.Counter(s.t, counter) > before }) {
		return "timeout"
	}
	return "guest hears of it"
}
