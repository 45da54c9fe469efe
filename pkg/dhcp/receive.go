// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"context"
	"fmt"
	"net"
	"time"
)

// maxMessage is the longest message that is looked at, in bytes. Clients send a few hundred; the bound keeps
// what a hostile guest can make a decoder do small.
const maxMessage = 1500

// receive reads datagrams, with what read tells about each, and handles one after the other until ctx ends.
// The bytes are the handler's until it returns; a datagram that is too long is cut to maxMessage+1 of them.
// An error means that the socket can't be read any more.
func receive[T any](ctx context.Context, conn net.PacketConn, read func([]byte) (int, T, error), handle func([]byte, T)) error {
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("preparing the socket: %w", err)
	}
	// A deadline in the past wakes the reader and leaves the socket to its owner, who may serve from it again.
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	buffer := make([]byte, maxMessage+1)
	for {
		n, about, err := read(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
		handle(buffer[:n], about)
	}
}

// checkLength refuses a message that is longer than any that is looked at.
func checkLength(message []byte) error {
	if len(message) > maxMessage {
		return fmt.Errorf("%w: it has more than %d bytes", errMalformed, maxMessage)
	}
	return nil
}
