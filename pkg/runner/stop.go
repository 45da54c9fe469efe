// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/standalone"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// forceTimeout bounds the wait for a QEMU that is to end at once, and might write out what it holds before.
const forceTimeout = 2 * time.Second

// Stop powers a machine down, or cuts its power if force is set, and returns when all that was made for
// it is gone. It is meant by NAME or NAMESPACE/NAME. Its owner removes it; without one, Stop does. Returns an error
// wrapping ErrNotFound when there is no such machine.
func Stop(ctx context.Context, name string, force bool, log *slog.Logger) error {
	name, err := find(name)
	if err != nil {
		return err
	}
	for known := false; ; known = true {
		h, err := takeHome(name)
		switch {
		case errors.Is(err, ErrNotFound) && known:
			return nil // its owner has removed it
		case err == nil:
			return h.stop(ctx, force, log)
		case !errors.Is(err, ErrRunning):
			return err
		}
		path, err := homePath(name)
		if err == nil {
			err = end(ctx, path, force, log)
		}
		if err != nil && !errors.Is(err, vm.ErrNotRunning) { // its owner is still starting it, or removing it
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("interrupted while %s is removed: %w", name, context.Cause(ctx))
		}
	}
}

// stop ends a machine whose owner was killed.
func (h *home) stop(ctx context.Context, force bool, log *slog.Logger) error {
	if err := end(ctx, h.path, force, log); err != nil && !errors.Is(err, vm.ErrNotRunning) {
		return then(err, h.release())
	}
	s, err := load(h.path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // killed before it made anything
		return h.remove()
	case err != nil:
		return then(err, h.release())
	}
	if err := dismantle(ctx, h.path, s, log); err != nil {
		return then(err, h.release())
	}
	return h.remove()
}

// end brings about the end of a guest, whoever owns it. Returns an error wrapping vm.ErrNotRunning when
// there is nothing to end.
func end(ctx context.Context, path string, force bool, log *slog.Logger) error {
	open, cancel := ctx, func() {}
	if force {
		open, cancel = context.WithTimeout(ctx, forceTimeout)
	}
	defer cancel()
	machine, err := vm.Open(open, qemuDir(path), log)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	case err != nil && force: // it hangs, or speaks with another tapir stop, which waits for the guest
		return vm.Kill(ctx, qemuDir(path))
	case errors.Is(err, vm.ErrBusy):
		return fmt.Errorf("%w: another `tapir stop` is waiting for it, or its QEMU hangs; --force cuts its power", err)
	case err != nil:
		return err
	}
	defer machine.Close()
	s, err := load(path)
	if errors.Is(err, fs.ErrNotExist) { // it has ended since, and its owner has removed it
		return vm.ErrNotRunning
	}
	if err != nil {
		return err
	}
	var exit vm.Exit
	if force {
		exit, err = machine.Kill(ctx)
	} else {
		log.Info("powering the guest down", "vm", s.Name, "grace", s.Grace)
		exit, err = machine.Shutdown(ctx, s.Grace)
	}
	if err != nil {
		return err
	}
	log.Info("guest has ended", "vm", s.Name, "reason", exit)
	return nil
}

// dismantle removes what was made for a machine whose guest has ended, its directory aside.
func dismantle(ctx context.Context, path string, s State, log *slog.Logger) error {
	var err error
	if s.NetNS != "" {
		for _, tap := range s.Taps {
			err = then(err, datapath.Detach(s.NetNS, tap))
		}
	}
	pod := standalone.Pod{Namespace: s.Namespace, Name: s.Name}
	err = then(err, pod.Delete(ctx, log))
	return then(err, vm.Remove(qemuDir(path)))
}
