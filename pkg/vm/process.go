// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is a QEMU, held by a pidfd so that no signal ever goes to another process with its number.
type process struct {
	pid   int
	start uint64 // clock ticks after boot: /proc/PID/stat, field 22
	pidfd *os.File
	child *exec.Cmd // nil when another process started it
}

// startedProcess takes over a child of ours.
func startedProcess(child *exec.Cmd) (*process, error) {
	p, err := openPID(child.Process.Pid)
	if err != nil {
		return nil, err
	}
	p.child = child
	if p.start, err = startTime(p.pid); err != nil {
		p.pidfd.Close()
		return nil, err
	}
	return p, nil
}

// openProcess finds the process that started at that time.
// Returns an error wrapping ErrNotRunning when it has ended, also if another has its number now.
func openProcess(pid int, start uint64) (*process, error) {
	p, err := openPID(pid)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	p.start = start
	// Looked at while the pidfd is held: the number can't change hands unnoticed.
	if now, err := startTime(pid); err != nil || now != start || p.ended() {
		p.pidfd.Close()
		return nil, ErrNotRunning
	}
	return p, nil
}

func openPID(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	return &process{pid: pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// wait returns when the process has ended, with its status if it was our child, or with an error when ctx has ended before.
// A child is waited for in any case, for else it stays a zombie.
func (p *process) wait(ctx context.Context) (*os.ProcessState, error) {
	if p.child != nil {
		p.child.Wait() // its error says no more than the status
		return p.child.ProcessState, nil
	}
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.pidfd.SetReadDeadline(time.Now()) })
	defer stop()
	if err := conn.Read(readable); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("wait for the end of QEMU (pid %d): %w", p.pid, err)
	}
	return nil, nil
}

// ended tells whether the process is gone or a zombie.
func (p *process) ended() (ended bool) {
	p.control(func(fd uintptr) { ended = readable(fd) })
	return ended
}

// kill ends the process at once; nil if it has ended before.
func (p *process) kill() error {
	var err error
	p.control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill QEMU (pid %d): %w", p.pid, err)
	}
	return nil
}

// control runs f with the pidfd, which stays in the care of Go's poller; os.File.Fd would take it out.
func (p *process) control(f func(fd uintptr)) {
	if conn, err := p.pidfd.SyscallConn(); err == nil {
		conn.Control(f)
	}
}

// readable is what a pidfd is once its process has ended: pidfd_open(2).
func readable(fd uintptr) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// startTime tells processes with the same number apart: proc(5), /proc/PID/stat, field 22.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the start time of process %d: %w", pid, err)
	}
	// The second field, the name in parentheses, may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("read the start time of process %d: unknown format", pid)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}
