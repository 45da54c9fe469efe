// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// A launcher's user has a device of its own, and the node's stays as it is. Doing it again changes nothing.
func TestOfferKVM(t *testing.T) {
	dir := t.TempDir()
	node, path := filepath.Join(dir, "node"), filepath.Join(dir, "kvm")
	const number = 10<<8 | 232 // that of /dev/kvm: Documentation/admin-guide/devices.txt
	if err := syscall.Mknod(node, syscall.S_IFCHR|0o660, number); err != nil {
		t.Fatal(err)
	}
	var before, after, got syscall.Stat_t
	for range 2 {
		stat(t, node, &before)
		if err := offerKVM(node, path); err != nil {
			t.Fatal(err)
		}
		stat(t, node, &after)
		stat(t, path, &got)
		if got.Mode != syscall.S_IFCHR|0o600 || got.Uid != handover.UID || got.Gid != handover.GID || got.Rdev != number {
			t.Errorf("got mode %o, owner %d:%d, device %x", got.Mode, got.Uid, got.Gid, got.Rdev)
		}
		if after.Mode != before.Mode || after.Uid != before.Uid || after.Gid != before.Gid {
			t.Errorf("the node's device was %o %d:%d and is %o %d:%d", before.Mode, before.Uid, before.Gid, after.Mode, after.Uid, after.Gid)
		}
	}
	if err := offerKVM(filepath.Join(dir, "none"), path); err == nil {
		t.Error("a device is made of none")
	}
}

func stat(t *testing.T, path string, info *syscall.Stat_t) {
	t.Helper()
	if err := syscall.Stat(path, info); err != nil {
		t.Fatal(err)
	}
}
