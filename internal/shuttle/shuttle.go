// SPDX-License-Identifier: Apache-2.0

package shuttle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxFrame holds the largest frame of a tap: virtio_net_hdr, Ethernet and VLAN header, 64 KiB of IP.
const maxFrame = headerSize + 18 + 1<<16

// Join copies frames between two taps from [Open], both ways, until ctx is done or a tap goes away
// (deleted, or its namespace with it). It returns nil in the first case and the reason in the second.
// The files stay open.
func Join(ctx context.Context, a, b *os.File) error {
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		// Both are pollable (see Open), so setting a deadline can't fail before they are closed,
		// and a closed file ends its reader anyway.
		_ = a.SetReadDeadline(past)
		_ = b.SetReadDeadline(past)
	})
	defer stop()

	group.Go(func() error { return forward(b, a) })
	group.Go(func() error { return forward(a, b) })
	return group.Wait()
}

// forward writes to one tap what it reads from the other, until reading ends.
func forward(to, from *os.File) error {
	frame := make([]byte, maxFrame)
	for {
		n, err := from.Read(frame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a frame: %w", err)
		}
		if _, err := to.Write(frame[:n]); err != nil && !lost(err) {
			return fmt.Errorf("writing a frame: %w", err)
		}
	}
}

// lost says whether a failed write cost only this frame: the tap is down (EIO), the frame is one that
// the receiver doesn't take (EINVAL), or memory is short.
// A guest's NIC loses frames in the same way.
func lost(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EIO, syscall.EINVAL, syscall.ENOMEM, syscall.ENOBUFS,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
