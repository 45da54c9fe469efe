// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
)

// A server in the guest answers each byte with one, one connection at a time.
type server struct {
	listener int
	ended    chan error
}

func serve(guest *lab.Namespace, port uint16) (*server, error) {
	s := &server{ended: make(chan error, 1)}
	err := guest.Run(func() (err error) {
		s.listener, err = listen(port)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("in the guest: %w", err)
	}
	go func() { s.ended <- guest.On(lab.GuestCPU, s.run) }()
	return s, nil
}

func (s *server) run() error {
	for {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINVAL): // shut down
			return nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			return fmt.Errorf("accepting a connection in the guest: %w", err)
		}
		if err := s.answer(fd); err != nil {
			return err
		}
	}
}

// answer ends when the client closes, or is silent for too long.
func (s *server) answer(fd int) error {
	err := configure(fd)
	for b := []byte{0}; err == nil; {
		if err = transfer(unix.Read, fd, b); err == nil {
			err = transfer(unix.Write, fd, b)
		}
	}
	return unix.Close(fd)
}

// Close ends the server; its clients have closed.
func (s *server) Close() error {
	err := unix.Shutdown(s.listener, unix.SHUT_RDWR)
	return errors.Join(err, <-s.ended, unix.Close(s.listener))
}
