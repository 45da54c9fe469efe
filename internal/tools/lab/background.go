// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyFD is the pipe by which a lab's process says that the lab is up: a byte; or that it isn't: the end without one.
const readyFD = 3

// background starts the process of a lab, in a session of its own, and returns when the lab is up.
func background(ctx context.Context, arguments []string) error {
	ready, said, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := exec.Command("/proc/self/exe", append([]string{"serve"}, arguments...)...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{said}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	said.Close()
	if err != nil {
		return fmt.Errorf("start the lab's process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if _, err := ready.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		cmd.Wait() // it has said why
		return errors.New("the lab is not up")
	}
	return cmd.Process.Release()
}

// detach lets go of the terminal and of who waits at the pipe.
func detach() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for _, fd := range []int{1, 2} {
		if err := unix.Dup2(int(null.Fd()), fd); err != nil {
			return fmt.Errorf("let go of the terminal: %w", err)
		}
	}
	ready := os.NewFile(readyFD, "ready")
	defer ready.Close()
	_, err = ready.Write([]byte{1})
	return err
}
