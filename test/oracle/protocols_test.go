// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

const experimental = 253 // RFC 3692: a protocol that no kernel knows

// packets begin as their protocols' headers do; SCTP's has an invalid chunk, so that conntrack has no state for it.
var packets = map[int][]byte{
	syscall.IPPROTO_GRE:  {0, 0, 0x88, 0xb5, 't', 'a', 'p', 'i', 'r', 0, 0, 0},
	syscall.IPPROTO_ESP:  {0, 0, 0, 42, 0, 0, 0, 1, 't', 'a', 'p', 'i', 'r', 0, 0, 0},
	syscall.IPPROTO_SCTP: {0x23, 0x28, 0x23, 0x28, 0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0, 0, 4},
	experimental:         []byte("tapir"),
}

// protocols is about IP protocols that have no ports, or none that anyone looks at.
var protocols = []probe{
	{
		name:     "far -> pod IP, protocol 47 (GRE)",
		run:      func(s *scene) string { return s.rawInbound(syscall.IPPROTO_GRE) },
		kubevirt: byPorts("guest gets it", "pod gets it"),
	},
	{
		name:     "far -> pod IP, protocol 50 (ESP)",
		run:      func(s *scene) string { return s.rawInbound(syscall.IPPROTO_ESP) },
		kubevirt: byPorts("guest gets it", "pod gets it"),
	},
	{
		name:     "far -> pod IP, protocol 253",
		run:      func(s *scene) string { return s.rawInbound(experimental) },
		kubevirt: byPorts("guest gets it", "pod gets it"),
	},
	{
		name:     "guest -> outside, protocol 47 (GRE)",
		run:      func(s *scene) string { return s.rawOutbound(syscall.IPPROTO_GRE) },
		kubevirt: always("seen as pod, answered"),
	},
	{
		name:     "guest -> outside, protocol 50 (ESP)",
		run:      func(s *scene) string { return s.rawOutbound(syscall.IPPROTO_ESP) },
		kubevirt: always("seen as pod, answered"),
	},
	{
		name:     "guest -> outside, protocol 253",
		run:      func(s *scene) string { return s.rawOutbound(experimental) },
		kubevirt: always("seen as pod, answered"),
	},
	{
		name:     "guest -> outside, protocol 132 (SCTP) with an invalid chunk",
		run:      func(s *scene) string { return s.rawOutbound(syscall.IPPROTO_SCTP) },
		kubevirt: always("seen as guest, answered"),
		tapir:    &difference{always("seen as pod, answered"), "protocols that nft lets out untranslated (SCTP) are translated by address"},
	},
}

// rawOutbound sends a packet from guest to client and describes whom client sees, and whether its answer arrives.
func (s *scene) rawOutbound(protocol int) string {
	guest := s.guest.ListenIP(s.t, s.guest.address, protocol)
	defer guest.Close()
	client := s.client.ListenIP(s.t, s.client.address, protocol)
	defer client.Close()
	if err := nstest.SendIP(guest, s.client.address, packets[protocol]); err != nil {
		return s.failure(err)
	}
	from, err := receiveIP(client)
	if err != nil {
		return s.failure(err)
	}
	if err := nstest.SendIP(client, from, packets[protocol]); err != nil {
		return s.failure(err)
	}
	if _, err := receiveIP(guest); err != nil {
		return "seen as " + s.name(from) + ", not answered: " + s.failure(err)
	}
	return "seen as " + s.name(from) + ", answered"
}

// rawInbound sends a packet from far to the pod IP and describes who gets it.
func (s *scene) rawInbound(protocol int) string {
	far := s.far.ListenIP(s.t, s.far.address, protocol)
	defer far.Close()
	got := make(chan string, 2)
	listen := func(h host) *net.IPConn {
		socket := h.ListenIP(s.t, h.address, protocol)
		go func() {
			if from, err := receiveIP(socket); err == nil && s.name(from) == "far" {
				got <- h.name + " gets it"
			} else if errors.Is(err, os.ErrDeadlineExceeded) {
				got <- "timeout"
			}
		}()
		return socket
	}
	defer listen(s.guest).Close()
	defer listen(s.pod).Close()
	if err := nstest.SendIP(far, s.pod.address, packets[protocol]); err != nil {
		return s.failure(err)
	}
	return <-got
}

// receiveIP waits for a packet on a raw socket and says who sent it.
func receiveIP(socket *net.IPConn) (netip.Addr, error) {
	if err := socket.SetReadDeadline(time.Now().Add(nstest.Patience)); err != nil {
		return netip.Addr{}, err
	}
	_, from, err := socket.ReadFromIP(make([]byte, nstest.MTU))
	if err != nil {
		return netip.Addr{}, err
	}
	address, _ := netip.AddrFromSlice(from.IP)
	return address.Unmap(), nil
}
