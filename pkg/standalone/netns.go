// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// makeNetNS makes a network namespace that lives at a path under /run/netns, where `ip netns` finds it.
func makeNetNS(path string) error {
	if err := shareNetNSDir(); err != nil {
		return fmt.Errorf("prepare %s: %w", netnsDir, err)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	file.Close()

	made := make(chan error)
	go func() {
		// Never unlocked: the runtime ends the thread, which is in a namespace of no use to others.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return errors.Join(fmt.Errorf("make network namespace %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// shareNetNSDir makes /run/netns a shared mount of its own, as `ip netns add` does: without it, a later `ip
// netns add` would mount over the directory and hide our namespaces beneath. Where a program that didn't do
// so has namespaces already, theirs would be hidden, and they were there first.
func shareNetNSDir() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) { // EINVAL: not a mount point yet
		return err
	}
	if entries, err := os.ReadDir(netnsDir); err != nil || len(entries) > 0 {
		return err
	}
	if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// deleteNetNS removes the name. The namespace itself ends with the last process or socket in it.
func deleteNetNS(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH)
	// EINVAL: a crash left the file before something was mounted on it.
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unmount network namespace %s: %w", path, err)
	}
	if err := removeFile(path); err != nil {
		return fmt.Errorf("delete network namespace: %w", err)
	}
	return nil
}
