// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/netip"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// pathMTU is about the wire to far, which is narrower than the guest's link. Each probe uses an address of far that
// no other has sent large packets to.
var pathMTU = []probe{
	{
		name: "DF ping over a 1400 hop",
		run: func(s *scene) string {
			ping := nstest.Ping{From: s.guest.address, To: s.farAddress(1), ID: 4, Size: 1440, DontFragment: true}
			if err := s.guest.Ping(ping); err == nil {
				return "a reply to a packet that doesn't fit"
			}
			return s.learnt(s.guest, s.farAddress(1))
		},
		kubevirt: always("path MTU 1400"),
	},
	{
		name:     "unfragmentable datagram over a 1400 hop, from guest",
		run:      func(s *scene) string { return s.tooLong(s.guest, s.farAddress(2)) },
		kubevirt: always("path MTU 1400"),
	},
	{
		name:     "unfragmentable datagram over a 1400 hop, from pod",
		run:      func(s *scene) string { return s.tooLong(s.pod, s.farAddress(3)) },
		kubevirt: always("path MTU 1400"),
	},
	{
		name: "TCP upload over a 1400 hop, from guest",
		run: func(s *scene) string {
			to := netip.AddrPortFrom(s.farAddress(4), remotePort)
			s.far.ServeTCP(s.t, to)
			return s.intact(s.guest, to)
		},
		kubevirt: always("intact"),
	},
}

// farAddress is one of the addresses of far.
func (s *scene) farAddress(n int) netip.Addr {
	address := s.far.address
	for range n {
		address = address.Next()
	}
	return address
}

// tooLong sends a datagram that fits the link but not the path.
func (s *scene) tooLong(from host, to netip.Addr) string {
	client, err := s.dialUDP(from, netip.AddrPortFrom(to, remotePort))
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	if err := nstest.DontFragment(client, to); err != nil {
		return s.failure(err)
	}
	if _, err := client.Write(make([]byte, 1440)); err != nil {
		return s.failure(err)
	}
	return s.learnt(from, to)
}

// learnt describes the MTU that a kernel comes to believe in.
func (s *scene) learnt(by host, to netip.Addr) string {
	var mtu int
	eventually(func() bool {
		var err error
		if mtu, err = by.PathMTU(to); err != nil {
			s.t.Errorf("reading the path MTU to %s: %v", to, err)
		}
		return mtu != nstest.MTU
	})
	return fmt.Sprintf("path MTU %d", mtu)
}
