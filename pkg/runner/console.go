// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// consoleLock, in a machine's directory, is locked by who has its console: QEMU speaks with one, and lets
// others wait without a word.
const consoleLock = "console.lock"

// lockedConn is a connection for whose life a file is locked.
type lockedConn struct {
	net.Conn
	lock *os.File
}

func (c lockedConn) Close() error { return errors.Join(c.Conn.Close(), c.lock.Close()) }

// Console connects to the serial console of a machine, by NAME or NAMESPACE/NAME, whoever owns it. Returns an error
// wrapping ErrNotFound when there is no such machine.
func Console(ctx context.Context, name string) (net.Conn, error) {
	info, err := Get(ctx, name)
	if err != nil {
		return nil, err
	}
	name = info.Name
	switch {
	case info.Phase == Ended:
		return nil, fmt.Errorf("%s has ended: tapir stop %s removes what is left", name, name)
	case !info.Serial:
		return nil, fmt.Errorf("%s has no serial console: its manifest sets autoattachSerialConsole to false", name)
	}
	path, err := homePath(name)
	if err != nil {
		return nil, err
	}
	lock, err := lockConsole(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(name)
	}
	if err != nil {
		return nil, fmt.Errorf("the console of %s: %w", name, err)
	}
	conn, err := vm.Console(ctx, qemuDir(path))
	if err == nil {
		return lockedConn{conn, lock}, nil
	}
	lock.Close()
	if errors.Is(err, vm.ErrNotRunning) {
		err = fmt.Errorf("%s is still being started, or is ending: try again", name)
	}
	return nil, err
}

func lockConsole(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, consoleLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errors.New("another tapir console is connected; Ctrl-] leaves that one")
		}
		return nil, err
	}
	return lock, nil
}
