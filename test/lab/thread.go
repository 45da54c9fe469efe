// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"runtime"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"
)

// A thread is in a network namespace of its own, and starts all of the lab's processes: they are in that namespace too
// unless they get one of their own, and the kernel kills them when the thread ends.
type thread struct {
	netns ns.NetNS
	calls chan func()
	ended chan struct{}
}

func newThread() (*thread, error) {
	t := &thread{calls: make(chan func()), ended: make(chan struct{})}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		defer close(t.ended)
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			t.netns, err = ns.GetNS(fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()))
		}
		made <- err
		if err != nil {
			return
		}
		for call := range t.calls {
			call()
		}
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("make the lab's network namespace: %w", err)
	}
	return t, nil
}

// do runs f on the thread.
func (t *thread) do(f func() error) error {
	done := make(chan error)
	t.calls <- func() { done <- f() }
	return <-done
}

// end ends the thread, and so whatever it has started. Nothing may call do any more.
func (t *thread) end() error {
	close(t.calls)
	<-t.ended
	return t.netns.Close()
}
