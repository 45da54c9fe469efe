// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// headers is about datagrams whose headers aren't the usual ones.
var headers = []probe{
	{
		name:     "datagram with IP options or extension headers, guest -> outside",
		run:      func(s *scene) string { return s.unusual(s.guest, s.client.at(remotePort), withOptions) },
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "datagram with IP options or extension headers, client -> pod IP:8053",
		run:      func(s *scene) string { return s.unusual(s.client, s.pod.at(declaredUDP), withOptions) },
		kubevirt: always("seen as client, port kept"),
	},
	{
		name: "datagram without checksum, guest -> far",
		run: func(s *scene) string {
			return s.unusual(s.guest, s.far.at(remotePort), withoutChecksum)
		},
		kubevirt: always("seen as pod, port kept"),
	},
	{
		name:     "datagram without checksum, far -> pod IP:8053",
		run:      func(s *scene) string { return s.unusual(s.far, s.pod.at(declaredUDP), withoutChecksum) },
		kubevirt: always("seen as far, port kept"),
	},
	{
		name:     "UDP segmentation offload, guest -> client",
		run:      func(s *scene) string { return s.segments(s.guest, s.client.at(remotePort)) },
		kubevirt: always("all 8 seen as pod, port kept"),
	},
	{
		name:     "UDP segmentation offload, guest -> far, over a wire without offloads",
		run:      func(s *scene) string { return s.segments(s.guest, s.far.at(remotePort)) },
		kubevirt: always("all 8 seen as pod, port kept"),
	},
	{
		name:     "UDP segmentation offload, client -> pod IP:8053",
		run:      func(s *scene) string { return s.segments(s.client, s.pod.at(declaredUDP)) },
		kubevirt: always("all 8 seen as client, port kept"),
	},
	{
		name: "UDP segmentation offload, pod -> loopback:8053",
		run: func(s *scene) string {
			return s.segments(s.loopback, s.loopback.at(declaredUDP))
		},
		kubevirt: outcomes{"all 8 seen as gateway, port kept", "all 8 seen as gateway, port kept", "0 seen: timeout", "0 seen: timeout"},
		tapir:    &difference{always("all 8 seen as gateway, port kept"), reachesGuest},
	},
}

// withOptions adds four no-operations to an IPv4 header, and two headers with nothing but padding to IPv6's.
func withOptions(socket *net.UDPConn, to netip.Addr) error {
	if to.Is4() {
		return nstest.SetOption(socket, unix.IPPROTO_IP, unix.IP_OPTIONS, 0x01010101)
	}
	const paddingOnly = "\x00\x00\x01\x04\x00\x00\x00\x00" // next header, length 0, PadN of 4
	for _, option := range []int{unix.IPV6_HOPOPTS, unix.IPV6_DSTOPTS} {
		if err := nstest.SetOptionString(socket, unix.IPPROTO_IPV6, option, paddingOnly); err != nil {
			return err
		}
	}
	return nil
}

// withoutChecksum leaves the checksum of UDP over IPv4 zero. Over IPv6 there must be one.
func withoutChecksum(socket *net.UDPConn, _ netip.Addr) error {
	return nstest.SetOption(socket, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
}

// unusual does as udp does, with a socket that was prepared.
func (s *scene) unusual(from host, to netip.AddrPort, prepare func(*net.UDPConn, netip.Addr) error) string {
	client, err := s.dialUDP(from, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	if err := prepare(client, to.Addr()); err != nil {
		return s.failure(err)
	}
	sighting, err := nstest.ExchangeUDP(client, []byte("odd?"))
	if err != nil {
		return s.failure(err)
	}
	return s.seen(sighting.From, port(client))
}

// segments sends eight datagrams as one segmentation-offload frame and describes what came of them.
func (s *scene) segments(from host, to netip.AddrPort) string {
	const size, number = 1000, 8
	client, err := s.dialUDP(from, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	if err := nstest.SetOption(client, unix.IPPROTO_UDP, unix.UDP_SEGMENT, size); err != nil {
		return s.failure(err)
	}
	if _, err := client.Write(make([]byte, size*number)); err != nil {
		return s.failure(err)
	}
	var seen string
	for i := range number {
		sighting, err := nstest.ReceiveUDP(client, make([]byte, size))
		if err != nil {
			return fmt.Sprintf("%d seen: %s", i, s.failure(err))
		}
		seen = s.seen(sighting.From, port(client))
	}
	return fmt.Sprintf("all %d %s", number, seen)
}
