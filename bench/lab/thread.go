// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Processors for the two ends of a load: the Nth of those that this process may use.
const (
	PeerCPU  = 0
	GuestCPU = 1
)

// On runs f on a thread of its own, in the namespace and on one processor.
func (n *Namespace) On(cpu int, f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its affinity with it.
		runtime.LockOSThread()
		done <- n.pinned(cpu, f)
	}()
	return <-done
}

func (n *Namespace) pinned(cpu int, f func() error) error {
	if err := pin(cpu); err != nil {
		return fmt.Errorf("pinning a thread: %w", err)
	}
	if err := unix.Setns(int(n.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering a network namespace: %w", err)
	}
	return f()
}

// pin binds the thread to the Nth of its processors.
func pin(nth int) error {
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return err
	}
	for cpu := range len(allowed) * 64 {
		if !allowed.IsSet(cpu) {
			continue
		}
		if nth == 0 {
			one.Set(cpu)
			return unix.SchedSetaffinity(0, &one)
		}
		nth--
	}
	return fmt.Errorf("this process may use %d processors only", allowed.Count())
}
