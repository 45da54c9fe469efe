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
	changed chan struct{}   // closed, and replaced, at each change

	machine    *vm.VM // nil until it runs
	interfaces []string
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

// run shows a machine that was started, with the names of its interfaces.
func (b *board) run(machine *vm.VM, interfaces []string) {
	b.change(func(s *handover.Status) {
		s.Acceleration = string(machine.Acceleration())
		b.machine, b.interfaces = machine, interfaces
	})
}

// read returns the status, and what is closed when that is no longer it.
func (b *board) read() (handover.Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.changed
}

// running returns the machine and its interfaces' names in order, or nil when none runs.
func (b *board) running() (*vm.VM, []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.machine, b.interfaces
}
