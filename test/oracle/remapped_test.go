// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"bytes"
	"net"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// remapped is about the guest's flows whose port had to be changed, since the pod has the same one to the same
// destination: all of a flow must be, its fragments, its large frames, and the errors that quote it.
var remapped = []probe{
	{
		name: "bulk TCP on a changed port, guest -> far, over a wire without offloads",
		run: func(s *scene) string {
			first, err := s.pod.DialTCP(s.pod.at(24000), s.far.at(remotePort))
			if err != nil {
				return s.failure(err)
			}
			defer first.Close()
			second, err := s.guest.DialTCP(s.guest.at(24000), s.far.at(remotePort))
			if err != nil {
				return s.failure(err)
			}
			defer second.Close()
			if err := second.Echo(bytes.Repeat([]byte("tapir"), 200_000)); err != nil {
				return s.failure(err)
			}
			return s.seen(second.Seen, 24000) + ", intact"
		},
		kubevirt: always("seen as pod, port changed, intact"),
	},
	{
		name: "4000-byte datagram and echo on a changed port, guest -> client",
		run: func(s *scene) string {
			pod, err := s.takePort(25000, remotePort)
			if err != nil {
				return s.failure(err)
			}
			defer pod.Close()
			return s.udpFrom(s.guest, 25000, s.client.at(remotePort), fragmented)
		},
		kubevirt: always("seen as pod, port changed"),
	},
	{
		name: "guest -> closed remote port UDP, on a changed port",
		run: func(s *scene) string {
			pod, err := s.takePort(26000, nobody)
			if err != nil {
				return s.failure(err)
			}
			defer pod.Close()
			guest, err := s.guest.DialUDP(s.guest.at(26000), s.client.at(nobody))
			if err != nil {
				return s.failure(err)
			}
			defer guest.Close()
			_, err = nstest.ExchangeUDP(guest, []byte("anyone?"))
			return s.failure(err)
		},
		kubevirt: always("refused"),
	},
	{
		name: "pod -> closed remote port UDP, on a changed port",
		run: func(s *scene) string {
			to := s.client.at(nobody)
			guest, err := s.guest.DialUDP(s.guest.at(27000), to)
			if err != nil {
				return s.failure(err)
			}
			defer guest.Close()
			if _, err := nstest.ExchangeUDP(guest, []byte("anyone?")); err == nil {
				return "an answer from nobody"
			}
			pod, err := s.pod.DialUDP(s.pod.at(27000), to)
			if err != nil {
				return s.failure(err)
			}
			defer pod.Close()
			_, err = nstest.ExchangeUDP(pod, []byte("anyone?"))
			return s.failure(err)
		},
		kubevirt: always("refused"),
	},
}

// takePort makes the pod send from a UDP port to client first.
func (s *scene) takePort(port, to uint16) (*net.UDPConn, error) {
	pod, err := s.pod.DialUDP(s.pod.at(port), s.client.at(to))
	if err != nil {
		return nil, err
	}
	if _, err := pod.Write([]byte("mine")); err != nil {
		pod.Close()
		return nil, err
	}
	return pod, nil
}
