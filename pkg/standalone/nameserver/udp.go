// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sync/errgroup"
)

// maxMessage is what the length field of a DNS message over TCP, and of a datagram, can say.
const maxMessage = 1<<16 - 1

func (s *Server) serveUDP(ctx context.Context, group *errgroup.Group, socket net.PacketConn) error {
	buffer := make([]byte, maxMessage)
	for {
		if s.queries.Acquire(ctx, 1) != nil {
			return nil
		}
		size, client, err := socket.ReadFrom(buffer)
		if err != nil {
			s.queries.Release(1)
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("receive DNS queries: %w", err)
		}
		query := slices.Clone(buffer[:size])
		group.Go(func() error {
			defer s.queries.Release(1)
			if answer := s.answer(ctx, "udp", query); answer != nil {
				// A client that doesn't get its answer asks again.
				_, _ = socket.WriteTo(answer, client)
			}
			return nil
		})
	}
}
