// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"fmt"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// Wait returns when the guest has ended and all that was made for it is gone. When ctx ends, it presses the
// guest's power button, and ends the guest when its grace period is over or Options.Kill is closed. Returns an
// error when the guest's end was an accident, and then its directory is kept with what tells of it, or when
// something can't be removed.
func (m *Machine) Wait(ctx context.Context) error {
	exit, err := m.vm.Wait(ctx)
	if err != nil && ctx.Err() != nil {
		exit, err = m.powerDown(context.WithoutCancel(ctx))
	}
	if err == nil {
		m.log.Info("guest has ended", "reason", exit)
		if exit.Accident() {
			m.Exit = &exit
			err = fmt.Errorf("%s; its logs stay in %s until tapir stop %s", exit, m.home.path, m.Name)
		}
	}
	if err := then(err, m.undo.run()); err != nil {
		return fmt.Errorf("VM %s: %w", m.Name, err)
	}
	return nil
}

// powerDown gives the guest its grace period, unless the user won't wait.
func (m *Machine) powerDown(ctx context.Context) (vm.Exit, error) {
	m.log.Info("powering the guest down", "grace", m.Grace)
	patience, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-m.options.Kill:
			cancel()
		case <-patience.Done():
		}
	}()
	exit, err := m.vm.Shutdown(patience, m.Grace)
	if patience.Err() != nil {
		return m.vm.Kill(ctx)
	}
	return exit, err
}
