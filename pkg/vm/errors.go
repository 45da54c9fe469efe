// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
)

var (
	// ErrNoQEMU says that QEMU, or a tool that comes with it, is missing.
	ErrNoQEMU = errors.New("QEMU is not installed: apt-get install qemu-system-x86 qemu-utils")
	// ErrNoKVM says that KVM was asked for and can't run a guest on this machine.
	ErrNoKVM = errors.New("KVM can't run this guest here; acceleration auto or tcg emulates it")
	// ErrRunning says that RunDir belongs to a VM that runs.
	ErrRunning = errors.New("the VM runs already")
	// ErrNotRunning says that no QEMU runs for this RunDir.
	ErrNotRunning = errors.New("the VM is not running")
	// ErrBusy says that another process holds the VM's socket.
	ErrBusy = errors.New("another process is connected")
)

// ConfigError says which part of a Config can't be, and how to mend it.
type ConfigError struct {
	Field   string // as in Config: "Disks[0].Bus"
	Problem string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Problem) }

func configErrorf(field, format string, args ...any) error {
	return &ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
