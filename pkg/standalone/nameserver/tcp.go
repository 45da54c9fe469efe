// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// idleTimeout is for one query and its answer. RFC 7766 section 6.2.3 wants it to be a few seconds.
const idleTimeout = 10 * time.Second

func (s *Server) serveTCP(ctx context.Context, group *errgroup.Group, listener net.Listener) error {
	for {
		if s.connections.Acquire(ctx, 1) != nil {
			return nil
		}
		client, err := listener.Accept()
		if err != nil {
			s.connections.Release(1)
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept DNS connections: %w", err)
		}
		group.Go(func() error {
			defer s.connections.Release(1)
			defer client.Close()
			defer context.AfterFunc(ctx, func() { client.Close() })()
			s.converse(ctx, client)
			return nil
		})
	}
}

// converse answers one query after the other, until the client has no more or breaks the rules.
func (s *Server) converse(ctx context.Context, client net.Conn) {
	for {
		if client.SetDeadline(time.Now().Add(idleTimeout)) != nil {
			return
		}
		query, err := readMessage(client)
		if err != nil || s.queries.Acquire(ctx, 1) != nil {
			return
		}
		answer := s.answer(ctx, "tcp", query)
		s.queries.Release(1)
		if answer == nil || client.SetDeadline(time.Now().Add(idleTimeout)) != nil || writeMessage(client, answer) != nil {
			return
		}
	}
}

// readMessage reads a message with its length before it (RFC 1035 section 4.2.2).
func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeMessage(w io.Writer, message []byte) error {
	if len(message) > maxMessage {
		return fmt.Errorf("a DNS message of %d bytes", len(message))
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
