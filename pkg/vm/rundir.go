// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of a VM in its RunDir; disks are there too, by diskFile.
const (
	stateFile     = "vm.json"
	newStateFile  = "vm.json.new"
	monitorSocket = "monitor.sock"
	controlSocket = "control.sock"
	consoleSocket = "console.sock"
	consoleLog    = "console.log"
	agentSocket   = "agent.sock"
	qemuLog       = "qemu.log"
	seedFile      = "seed.iso"
	diskPrefix    = "disk-"

	workspacePrefix = "iso-" // a directory, while a file system is made of it
)

// runDir is the path of one VM's directory.
type runDir string

// take makes the directory, if it isn't there, and locks it until unlock, which leaves it as it is. made tells that it wasn't there.
// Returns an error wrapping ErrBusy when another process has taken it, and ErrRunning when a VM runs in it; the remains of
// one that ran are cleared.
func (d runDir) take() (unlock func() error, made bool, err error) {
	if _, err := os.Lstat(string(d)); errors.Is(err, fs.ErrNotExist) {
		made = true
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, false, fmt.Errorf("make the VM's directory: %w", err)
	}
	unlock, err = d.lock()
	if err != nil {
		return nil, false, err
	}
	if err := d.vacate(); err != nil {
		return nil, false, errors.Join(err, unlock())
	}
	return unlock, made, nil
}

func (d runDir) lock() (unlock func() error, err error) {
	f, err := d.open()
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", d, ErrBusy)
	}
	return f.Close, nil
}

func (d runDir) open() (*os.File, error) {
	f, err := os.OpenFile(string(d), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the VM's directory: %w", err)
	}
	return f, nil
}

func (d runDir) path(name string) string { return filepath.Join(string(d), name) }

// vacate clears the directory unless a VM runs in it, which is an error wrapping ErrRunning.
func (d runDir) vacate() error {
	p, _, err := d.openQEMU()
	if err == nil {
		p.pidfd.Close()
		return fmt.Errorf("%s: %w as pid %d", d, ErrRunning, p.pid)
	}
	if !errors.Is(err, ErrNotRunning) {
		return err
	}
	return d.clear()
}

// openQEMU finds the process of the VM in the directory. Returns an error wrapping ErrNotRunning when there is none.
func (d runDir) openQEMU() (*process, state, error) {
	s, err := d.readState()
	if err != nil {
		return nil, s, fmt.Errorf("%s: %w", d, err)
	}
	p, err := openProcess(s.PID, s.Start)
	if err != nil {
		return nil, s, fmt.Errorf("%s: %w", d, err)
	}
	return p, s, nil
}

// create makes a file that only we can open.
func (d runDir) create(name string, flags int) (*os.File, error) {
	f, err := os.OpenFile(d.path(name), flags|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return f, nil
}

// listen makes a socket for QEMU to accept on; closing the file closes only our side of it.
func (d runDir) listen(name string) (f *os.File, err error) {
	err = d.socket(name, func(path string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return fmt.Errorf("listen on %s: %w", d.path(name), err)
		}
		defer l.Close()
		l.SetUnlinkOnClose(false)
		f, err = l.File()
		return err
	})
	return f, err
}

// dial connects to a socket of a QEMU. Returns an error wrapping ErrNotRunning when nobody listens.
func (d runDir) dial(ctx context.Context, name string) (conn net.Conn, err error) {
	err = d.socket(name, func(path string) error {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", path)
		if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
			err = ErrNotRunning
		}
		if err != nil {
			return fmt.Errorf("connect to %s: %w", d.path(name), err)
		}
		return nil
	})
	return conn, err
}

// socket calls f with a path to a socket that is short enough for one, whatever the length of our own path: a unix
// socket's has at most 107 bytes.
func (d runDir) socket(name string, f func(path string) error) error {
	dir, err := d.open()
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", d, ErrNotRunning)
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name))
}

// clear deletes what a VM leaves, and nothing else.
func (d runDir) clear() error {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return fmt.Errorf("clear the VM's directory: %w", err)
	}
	var errs []error
	for _, e := range entries {
		switch name := e.Name(); {
		case name == stateFile, name == newStateFile, name == monitorSocket, name == controlSocket, name == consoleSocket, name == consoleLog,
			name == agentSocket, name == qemuLog, name == seedFile, strings.HasPrefix(name, diskPrefix):
			errs = append(errs, os.Remove(d.path(name)))
		case strings.HasPrefix(name, workspacePrefix):
			errs = append(errs, os.RemoveAll(d.path(name)))
		}
	}
	return errors.Join(errs...)
}
