// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Blocking sockets for loops on a thread of their own: the Go runtime's poller would add its own wake-ups to
// each latency.

func newSocket() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	if err := configure(fd); err != nil {
		return -1, errors.Join(fmt.Errorf("configuring a socket: %w", err), unix.Close(fd))
	}
	return fd, nil
}

func configure(fd int) error {
	limit := unix.NsecToTimeval(int64(patience))
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit))
}

// listen makes a socket that accepts for as long as it takes.
func listen(port uint16) (fd int, err error) {
	if fd, err = newSocket(); err != nil {
		return -1, err
	}
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{}),
		unix.Bind(fd, &unix.SockaddrInet4{Port: int(port)}),
		unix.Listen(fd, unix.SOMAXCONN))
	if err != nil {
		return -1, errors.Join(fmt.Errorf("listening on port %d: %w", port, err), unix.Close(fd))
	}
	return fd, nil
}

func connect(to netip.AddrPort) (fd int, err error) {
	if fd, err = newSocket(); err != nil {
		return -1, err
	}
	for {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil && !errors.Is(err, unix.EISCONN) {
		return -1, errors.Join(fmt.Errorf("connecting to the guest: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// exchange sends a byte and waits for one.
func exchange(fd int) error {
	b := []byte{0}
	if err := transfer(unix.Write, fd, b); err != nil {
		return fmt.Errorf("asking the guest: %w", err)
	}
	if err := transfer(unix.Read, fd, b); err != nil {
		return fmt.Errorf("waiting for the guest's answer: %w", err)
	}
	return nil
}

var errClosed = errors.New("the other end has closed the connection")

// transfer reads or writes one byte.
func transfer(do func(int, []byte) (int, error), fd int, b []byte) error {
	for {
		n, err := do(fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return errClosed
		default:
			return nil
		}
	}
}
