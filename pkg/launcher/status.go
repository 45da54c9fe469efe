// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"sync"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// board shows the launcher's status to whoever wants to see it.
type board struct {
	mu      sync.Mutex
	status  handover.Status // what its pointers lead to is never changed
	machine *vm.VM          // nil until it runs
	changed chan struct{}   // closed, and replaced, at each change
}

func newBoard() *board {
	return &board{status: handover.Status{State: handover.Waiting}, changed: make(chan struct{})}
}

// change changes the status, for good once the machine has ended.
func (b *board) change(f func(*handover.Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status.State == handover.Ended {
		return
	}
	f(&b.status)
	close(b.changed)
	b.changed = make(chan struct{})
}

// run shows a machine that was started.
func (b *board) run(machine *vm.VM, state handover.State) {
	b.change(func(s *handover.Status) {
		s.State, s.Acceleration = state, string(machine.Acceleration())
		b.machine = machine
	})
}

// read returns the status, and what is closed when that is no longer it.
func (b *board) read() (handover.Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.changed
}

// guest returns the machine, or nil when none runs.
func (b *board) guest() *vm.VM {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.machine
}
