// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// instructions counts what the calling thread executes in the kernel (perf_event_open(2)); -1 counts nothing.
type instructions int

// countInstructions returns an error that wraps [errors.ErrUnsupported] where the machine has no such counter, as most
// virtual machines.
func countInstructions() (instructions, error) {
	fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_HARDWARE,
		Config: unix.PERF_COUNT_HW_INSTRUCTIONS,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Bits:   unix.PerfBitExcludeUser | unix.PerfBitExcludeHv,
	}, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return -1, fmt.Errorf("counting instructions: %w (%w)", errors.ErrUnsupported, err)
	case err != nil:
		return -1, fmt.Errorf("counting instructions: %w", err)
	}
	return instructions(fd), nil
}

func (c instructions) counts() bool { return c >= 0 }

func (c instructions) read() (uint64, error) {
	if !c.counts() {
		return 0, nil
	}
	var b [8]byte
	if _, err := unix.Read(int(c), b[:]); err != nil {
		return 0, fmt.Errorf("reading the counter of instructions: %w", err)
	}
	return binary.NativeEndian.Uint64(b[:]), nil
}

func (c instructions) close() {
	if c.counts() {
		_ = unix.Close(int(c)) // nothing was written
	}
}
