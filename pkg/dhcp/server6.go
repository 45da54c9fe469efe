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

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// Server6 is a DHCPv6 server (RFC 8415) with one lease.
type Server6 struct {
	counters
	lease  *lease6
	conn   net.PacketConn
	log    *slog.Logger
	leased sync.Once
}

// NewServer6 makes a server of a lease on a UDP socket that is bound to port 547 and the guest's device and
// has joined ff02::1:2. It fails with the field that can't be told to a guest.
func NewServer6(conn net.PacketConn, c Config6, log *slog.Logger) (*Server6, error) {
	if conn == nil {
		return nil, fmt.Errorf("configuring DHCPv6: %w", errNoSocket)
	}
	lease, err := newLease6(&c)
	if err != nil {
		return nil, fmt.Errorf("configuring DHCPv6: %w", err)
	}
	return &Server6{
		counters: newCounters(slices.Collect(maps.Values(types6))),
		lease:    lease,
		conn:     conn,
		log:      log.With("server", "dhcpv6"),
	}, nil
}

// Serve answers messages until ctx ends, and then returns nil. It fails when the socket can't be read.
func (s *Server6) Serve(ctx context.Context) error {
	if err := receive(ctx, s.conn, s.conn.ReadFrom, s.handle); err != nil {
		return fmt.Errorf("serving DHCPv6: %w", err)
	}
	return nil
}

func (s *Server6) handle(message []byte, from net.Addr) {
	m, reply, err := s.lease.respond(message)
	if err == nil {
		err = checkLinkLocal(from)
	}
	if err != nil {
		s.dropped(err)
		s.log.Debug("message dropped", "from", from, "error", err)
		return
	}
	s.add(types6[m.MessageType])
	s.log.Debug("message received", "from", from, "message", m)

	// A client listens on its own port, whatever port it sends from (RFC 8415 section 7.2). The socket's device
	// says which link; the zone in from would be looked up among the devices of this process's namespace.
	client := &net.UDPAddr{IP: from.(*net.UDPAddr).IP, Port: dhcpv6.DefaultClientPort}
	if _, err := s.conn.WriteTo(reply.ToBytes(), client); err != nil {
		s.add(Failed)
		s.log.Debug("reply not sent", "to", client, "error", err)
		return
	}
	s.add(types6[reply.MessageType])
	if reply.MessageType == dhcpv6.MessageTypeReply && grants(reply) {
		s.leased.Do(func() { s.log.Info("guest has its address", "address", s.lease.address) })
	}
}

func grants(reply *dhcpv6.Message) bool {
	ia := reply.Options.OneIANA()
	return ia != nil && ia.Options.OneAddress() != nil
}

// checkLinkLocal refuses a source from which no client may send (RFC 8415 section 13).
func checkLinkLocal(from net.Addr) error {
	if a, ok := from.(*net.UDPAddr); !ok || !a.IP.IsLinkLocalUnicast() {
		return fmt.Errorf("%w: it comes from %v, not from a link-local address", errMalformed, from)
	}
	return nil
}
