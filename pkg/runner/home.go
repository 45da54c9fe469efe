// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Dir holds a directory for each virtual machine of this host.
const Dir = "/run/tapir/vms"

var (
	// ErrRunning says that a live process of Tapir owns the virtual machine.
	ErrRunning = errors.New("runs already")
	// ErrNotFound says that nothing of a virtual machine is here, nor could be under its name.
	ErrNotFound = errors.New("no such VM")
)

// home is the directory of one virtual machine, and the lock on it: who holds it owns everything that
// the machine consists of.
type home struct {
	path string
	lock *os.File
}

// nameFormat is what KubeVirt takes for a name (RFC 1123, so without path separators), and no longer than a
// label's value, as which it appears on the VM's pod.
var nameFormat = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$`)

func homePath(name string) (string, error) {
	if !nameFormat.MatchString(name) {
		return "", fmt.Errorf("%w: %q: a name has at most 63 of a-z, 0-9, '-' and '.'", ErrNotFound, name)
	}
	return filepath.Join(Dir, name), nil
}

// makeHome makes the directory of a VM, if it isn't there, and takes it.
// Returns an error wrapping ErrRunning when another process has it.
func makeHome(name string) (*home, error) {
	path, err := homePath(name)
	if err != nil {
		return nil, err
	}
	for {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("make the VM's directory: %w", err)
		}
		h, err := lockHome(path)
		if !errors.Is(err, fs.ErrNotExist) { // else its former owner has just removed it
			return h, err
		}
	}
}

// takeHome takes the directory of a VM that exists. Returns an error wrapping ErrNotFound when there is
// none, and ErrRunning when another process has it.
func takeHome(name string) (*home, error) {
	path, err := homePath(name)
	if err != nil {
		return nil, err
	}
	h, err := lockHome(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = notFound(name)
	}
	return h, err
}

func notFound(name string) error {
	return fmt.Errorf("%w: %s: tapir status lists those that run here", ErrNotFound, name)
}

func lockHome(path string) (*home, error) {
	lock, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	h := &home{path, lock}
	if err := h.acquire(unix.LOCK_EX); err != nil {
		lock.Close()
		return nil, err
	}
	// Its former owner may have removed the directory between open and lock.
	held, err := lock.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(path); err == nil && !os.SameFile(held, there) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return h, nil
}

// acquire tries a few times: somebody who looks whether the lock is free holds it for a moment.
func (h *home) acquire(how int) error {
	for try := 0; ; try++ {
		err := unix.Flock(int(h.lock.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", h.path, err)
		case try == 5:
			return ErrRunning
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// owned says whether a live process holds the lock.
func owned(path string) (bool, error) {
	lock, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	err = unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// release lets another process take the directory as it is.
func (h *home) release() error { return h.lock.Close() }

// remove deletes the directory, then lets go of it.
func (h *home) remove() error {
	return then(os.RemoveAll(h.path), h.lock.Close())
}

// keep leaves of the directory what tells of an accident: the record and the logs.
func (h *home) keep(s State) error {
	qemu := qemuDir(h.path)
	var err error
	for _, log := range []string{"qemu.log", "console.log"} { // see package vm
		if e := os.Rename(filepath.Join(qemu, log), filepath.Join(h.path, log)); !errors.Is(e, fs.ErrNotExist) {
			err = then(err, e)
		}
	}
	err = then(err, os.RemoveAll(qemu))
	return then(then(err, h.save(s)), h.release())
}

// clear deletes all that is in the directory.
func (h *home) clear() error {
	entries, err := os.ReadDir(h.path)
	for _, e := range entries {
		err = then(err, os.RemoveAll(filepath.Join(h.path, e.Name())))
	}
	return err
}

// qemuDir is package vm's, which makes it and closes it to QEMU's user.
func qemuDir(path string) string { return filepath.Join(path, "qemu") }

// names lists the virtual machines that have a directory, sorted.
func names() ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list virtual machines: %w", err)
	}
	var found []string
	for _, e := range entries {
		if e.IsDir() && nameFormat.MatchString(e.Name()) {
			found = append(found, e.Name())
		}
	}
	slices.Sort(found)
	return found, nil
}
