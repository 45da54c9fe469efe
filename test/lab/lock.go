// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// lockName is an abstract socket: only one process of a machine can listen on it, and it is gone with that process.
const lockName = "@tapir-lab"

// A lock is held by the process of a lab. Who connects learns its process id from the kernel, and its end by being hung up on.
type lock struct {
	listener *net.UnixListener
	mu       sync.Mutex
	watchers []net.Conn
}

func acquire() (*lock, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: lockName})
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, errors.New("a lab runs on this machine already: take it down first (make lab-down)")
	}
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	k := &lock{listener: listener}
	go k.watch()
	return k, nil
}

func (k *lock) watch() {
	for {
		conn, err := k.listener.Accept()
		if err != nil {
			return // released
		}
		k.mu.Lock()
		k.watchers = append(k.watchers, conn)
		k.mu.Unlock()
	}
}

func (k *lock) release() {
	k.listener.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, conn := range k.watchers {
		conn.Close()
	}
}

// End asks the process of the machine's lab to take it down, and returns when it has: false if there is none.
func End() (bool, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: lockName})
	if errors.Is(err, unix.ECONNREFUSED) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the lab: %w", err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return false, err
	}
	var peer *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { peer, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, credErr); err != nil {
		return false, fmt.Errorf("ask for the lab's process: %w", err)
	}
	if err := unix.Kill(int(peer.Pid), unix.SIGTERM); err != nil {
		return false, fmt.Errorf("end the lab's process %d: %w", peer.Pid, err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
		return false, fmt.Errorf("wait for the lab's end: %w", err)
	}
	return true, nil
}
