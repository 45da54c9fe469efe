// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// Phase says what is there of a machine.
type Phase string

const (
	Running    Phase = "running"    // its owner lives, and so does its guest, or will shortly
	Unattended Phase = "unattended" // its owner was killed: the guest runs without DHCP and name servers
	Ended      Phase = "ended"      // owner and guest are gone: stop, or another run of the name, removes what is left
)

// Info is what is known of a machine from outside.
type Info struct {
	State
	Phase Phase `json:"phase"`
}

// List returns the machines of this host, by name.
func List(ctx context.Context) ([]Info, error) {
	found, err := names()
	if err != nil {
		return nil, err
	}
	list := []Info{}
	for _, name := range found {
		info, err := Get(ctx, name)
		if errors.Is(err, ErrNotFound) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	return list, nil
}

// Get returns what is known of one machine, by NAME or NAMESPACE/NAME. Returns an error wrapping ErrNotFound when
// there is none.
func Get(ctx context.Context, name string) (Info, error) {
	name, err := find(name)
	if err != nil {
		return Info{}, err
	}
	path, err := homePath(name)
	if err != nil {
		return Info{}, err
	}
	alive, err := owned(path)
	var s State
	if err == nil {
		s, err = load(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, notFound(name)
	}
	if err != nil {
		return Info{}, err
	}
	info := Info{State: s, Phase: Running}
	if alive {
		return info, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	machine, err := vm.Open(ctx, qemuDir(path), slog.New(slog.DiscardHandler))
	info.Phase = Unattended // also when QEMU hangs, or another process speaks with it
	switch {
	case errors.Is(err, vm.ErrNotRunning):
		info.Phase = Ended
	case err == nil:
		machine.Close()
	}
	return info, nil
}
