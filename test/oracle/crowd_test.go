// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

const crowdPort = 10000 // the first of the crowd's: no probe uses them, nor does the kernel by itself

// crowd keeps several times as many flows alive between guest and client as a small flow table holds, until the
// test ends, and checks that each gets its answers.
func (s *scene) crowd() {
	clients := make([]*net.UDPConn, 4*smallTable)
	for i := range clients {
		client, err := s.guest.DialUDP(s.guest.at(crowdPort+uint16(i)), s.client.at(remotePort))
		if err != nil {
			s.t.Fatalf("making flows: %v", err)
		}
		clients[i] = client
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.chatter(clients)
	}()
	s.t.Cleanup(func() {
		<-ended
		for _, client := range clients {
			client.Close()
		}
	})
}

// chatter exchanges datagrams on one socket after the other, at a pace that leaves the machine to the probes.
func (s *scene) chatter(clients []*net.UDPConn) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		for _, client := range clients {
			select {
			case <-s.t.Context().Done():
				return
			case <-pace.C:
			}
			if err := exchange(client); err != nil {
				s.t.Errorf("%s: one flow among %d: %s", s.family, len(clients), s.failure(err))
				return
			}
		}
	}
}

// exchange tries three times: the probes that send much make the tap's queue overflow.
func exchange(client *net.UDPConn) (err error) {
	for range 3 {
		if _, err = nstest.ExchangeUDP(client, []byte("tapir")); err == nil {
			return nil
		}
	}
	return err
}
