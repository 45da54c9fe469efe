// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// vnetHeader is the size of struct virtio_net_hdr_mrg_rxbuf (linux/virtio_net.h), which precedes each frame.
const vnetHeader = 12

// partialChecksum is the header of a frame whose UDP checksum covers only the pseudo-header yet, which is how a
// Linux guest sends it.
func partialChecksum() []byte {
	h := make([]byte, vnetHeader)
	h[0] = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	binary.NativeEndian.PutUint16(h[6:], udpOffset)
	binary.NativeEndian.PutUint16(h[8:], 6) // of the checksum in UDP's header
	return h
}

// withRing runs f with a ring that does op to a tap's frames of some size.
func withRing(tap *os.File, op uint8, size int, f func(r *ring) error) error {
	raw, err := tap.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var r *ring
		if r, failed = newRing(int(fd), op, size); failed == nil {
			failed = errors.Join(f(r), r.close())
		}
	})
	return errors.Join(err, failed)
}

// writeFrame hands a frame with its header to the kernel.
func writeFrame(fd int, frame []byte) error {
	_, err := unix.Write(fd, frame)
	return written(err)
}

// written judges what became of a frame that was handed to the kernel: what that has no room for is lost.
func written(err error) error {
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOBUFS) {
		return fmt.Errorf("writing to the tap: %w", err)
	}
	return nil
}
