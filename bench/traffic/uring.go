// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many packets a system call takes: those that vhost-net takes at once (VHOST_NET_BATCH).
const batch = 64

// A ring reads frames from a tap, or writes them to it, a batch with one system call. Each of its slots has a buffer and
// what is to be done with it for good. It belongs to one thread.
type ring struct {
	tap, fd     int
	tail        *uint32 // of what was submitted
	first, last *uint32 // of what is completed
	completions *[2 * batch]completion
	buffers     [batch][]byte
	memory      []byte
}

// newRing makes one that does op to frames of some size.
func newRing(tap int, op uint8, size int) (*ring, error) {
	page := os.Getpagesize() // one for the heads of the rings and the completions, one for the submissions
	memory, err := unix.Mmap(-1, 0, 2*page+batch*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("mapping memory for io_uring: %w", err)
	}
	at := func(offset uint32) unsafe.Pointer { return unsafe.Pointer(&memory[offset]) }
	p := uringParams{flags: setupNoMmap | setupNoSQArray}
	p.cq.address, p.sq.address = uint64(uintptr(at(0))), uint64(uintptr(at(uint32(page))))
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, batch, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, errors.Join(fmt.Errorf("setting up io_uring, which takes Linux 6.6, the sysctl kernel.io_uring_disabled at 0, "+
			"and no seccomp filter against it: %w", errno), unix.Munmap(memory))
	}
	r := &ring{
		tap: tap, fd: int(fd),
		tail: (*uint32)(at(p.sq.tail)), first: (*uint32)(at(p.cq.head)), last: (*uint32)(at(p.cq.tail)),
		completions: (*[2 * batch]completion)(at(p.cq.entries)),
		memory:      memory,
	}
	submissions := (*[batch]submission)(at(uint32(page)))
	for i := range submissions {
		r.buffers[i] = memory[2*page+i*size:][:size]
		submissions[i] = submission{
			op: op, fd: int32(tap), address: uint64(uintptr(unsafe.Pointer(&r.buffers[i][0]))), length: uint32(size), slot: uint64(i),
			// Else the kernel would wait for the tap where it is empty or full: O_NONBLOCK doesn't prevent that.
			flags: unix.RWF_NOWAIT,
		}
	}
	return r, nil
}

// do works off the next n slots, in order, and hands on each frame, or why there is none.
func (r *ring) do(n int, each func(frame []byte, err error) error) error {
	atomic.AddUint32(r.tail, uint32(n))
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(n), 0, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("entering io_uring: %w", errno)
	}
	// What doesn't wait is complete by now.
	first, last := *r.first, atomic.LoadUint32(r.last)
	if done := int(last - first); done != n {
		return fmt.Errorf("io_uring did %d of %d reads or writes: run this on another kernel", done, n)
	}
	for ; first != last; first++ {
		c := r.completions[first%(2*batch)]
		var frame []byte
		var err error
		if c.result < 0 {
			err = unix.Errno(-c.result)
		} else {
			frame = r.buffers[c.slot][:c.result]
		}
		if err := each(frame, err); err != nil {
			return err
		}
	}
	atomic.StoreUint32(r.first, first)
	return nil
}

func (r *ring) close() error { return errors.Join(unix.Close(r.fd), unix.Munmap(r.memory)) }

// Lacks says why there can be neither Writer nor Drain on this machine, and how to mend it; nil: there can.
func Lacks() error {
	r, err := newRing(-1, opRead, 1)
	if err != nil {
		return err
	}
	return r.close()
}
