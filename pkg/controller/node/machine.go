// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"os"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/handover"
)

// machine is the agent's connection to a launcher.
type machine struct {
	pod     types.UID
	sockets *handover.Sockets
	netns   *os.File
	nics    []nic
	missed  bool // it is known to be lost; only its own reconciliation, one at a time, looks at it

	stop    context.CancelFunc
	ended   chan struct{} // closed when nobody watches the launcher
	mu      sync.Mutex
	current handover.Status // nothing until the launcher has said anything
}

// watch follows the launcher's status until close; changed is called after each change, and when the launcher is lost.
func (m *machine) watch(ctx context.Context, changed func(context.Context)) {
	ctx, m.stop = context.WithCancel(ctx)
	m.ended = make(chan struct{})
	go func() {
		defer changed(ctx)
		defer close(m.ended)
		// Why it ends is no news: the launcher does, the agent does, or the pod will tell.
		_ = m.sockets.Watch(ctx, func(s *handover.Status) error {
			m.mu.Lock()
			m.current = *s
			m.mu.Unlock()
			changed(ctx)
			return nil
		})
	}()
}

// status is what the launcher has said last.
func (m *machine) status() handover.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// lost tells whether the launcher is gone without having said how its machine has ended.
func (m *machine) lost() bool {
	select {
	case <-m.ended:
		return m.status().State != handover.Ended
	default:
		return false
	}
}

// detach takes the machine's NICs off the network, with their taps.
func (m *machine) detach() error {
	var errs []error
	for _, n := range m.nics {
		errs = append(errs, datapath.Detach(pathOf(m.netns), n.tap))
	}
	return errors.Join(errs...)
}

// close ends the connection. Machine and datapath stay as they are.
func (m *machine) close() {
	if m.stop != nil {
		m.stop()
		<-m.ended
	}
	m.sockets.Close()
	m.netns.Close()
}
