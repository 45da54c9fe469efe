// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Server4 is a DHCPv4 server (RFC 2131) with one lease.
type Server4 struct {
	counters
	lease  *lease4
	conn   net.PacketConn
	log    *slog.Logger
	leased sync.Once
}

// NewServer4 makes a server of a lease on a UDP socket that is bound to port 67 and the guest's device and may
// broadcast. It fails with the field that can't be told to a guest.
func NewServer4(conn net.PacketConn, c Config4, log *slog.Logger) (*Server4, error) {
	if conn == nil {
		return nil, fmt.Errorf("configuring DHCPv4: %w", errNoSocket)
	}
	lease, err := newLease4(&c)
	if err != nil {
		return nil, fmt.Errorf("configuring DHCPv4: %w", err)
	}
	return &Server4{
		counters: newCounters(slices.Collect(maps.Values(types4))),
		lease:    lease,
		conn:     conn,
		log:      log.With("server", "dhcpv4"),
	}, nil
}

// Serve answers messages until ctx ends, and then returns nil. It fails when the socket can't be read.
func (s *Server4) Serve(ctx context.Context) error {
	if err := receive(ctx, s.conn, s.conn.ReadFrom, s.handle); err != nil {
		return fmt.Errorf("serving DHCPv4: %w", err)
	}
	return nil
}

// handle answers one message. Its source says nothing: a guest without an address sends from 0.0.0.0.
func (s *Server4) handle(message []byte, _ net.Addr) {
	m, reply, err := s.lease.respond(message)
	if err != nil {
		s.dropped(err)
		s.log.Debug("message dropped", "error", err)
		return
	}
	s.add(types4[m.MessageType()])
	s.log.Debug("message received", "message", m)
	if reply == nil {
		return
	}
	to := s.lease.destination4(reply)
	if _, err := s.conn.WriteTo(reply.ToBytes(), net.UDPAddrFromAddrPort(to)); err != nil {
		s.add(Failed)
		s.log.Debug("reply not sent", "to", to, "error", err)
		return
	}
	s.add(types4[reply.MessageType()])
	if reply.MessageType() == dhcpv4.MessageTypeAck && m.MessageType() == dhcpv4.MessageTypeRequest {
		s.leased.Do(func() {
			s.log.Info("guest has its address", "address", s.lease.address, "mac", m.ClientHWAddr.String())
		})
	}
}
