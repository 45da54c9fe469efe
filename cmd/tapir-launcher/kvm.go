// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

const kvm = "/dev/kvm"

// probeKVM boots a guest as a launcher would, and makes the device that launchers are given. That KVM doesn't run guests is no
// failure, but an answer.
func probeKVM(ctx context.Context, file string) error {
	problem := openKVM()
	if problem == nil {
		problem = vm.ProbeKVM(ctx, handover.UID, handover.GID)
	}
	if problem == nil {
		problem = offerKVM(kvm, handover.KVMDevice)
	}
	return handover.WriteKVM(file, problem)
}

// openKVM lets every user open the device, for the trial. A privileged container has copies of the node's devices, so nothing
// changes but this container.
func openKVM() error {
	info, err := os.Stat(kvm)
	if err != nil {
		return err
	}
	const all = 0o666
	if info.Mode().Perm()&all == all {
		return nil
	}
	return os.Chmod(kvm, info.Mode().Perm()|all)
}

// offerKVM makes another name of a device that the launchers' user alone may open: see package deviceplugin for why.
func offerKVM(device, path string) error {
	var info syscall.Stat_t
	if err := syscall.Stat(device, &info); err != nil {
		return fmt.Errorf("look at %s: %w", device, err)
	}
	part := path + ".new"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make a device for launchers: %w", err)
	}
	if err := syscall.Mknod(part, syscall.S_IFCHR|0o600, int(info.Rdev)); err != nil {
		return fmt.Errorf("make a device for launchers: %s: %w", part, err)
	}
	err := os.Chown(part, handover.UID, handover.GID)
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		os.Remove(part)
		return fmt.Errorf("make a device for launchers: %w", err)
	}
	return nil
}
