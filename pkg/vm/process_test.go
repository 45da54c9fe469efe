// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"os/exec"
	"testing"
)

func startSleep(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func TestProcessIsKnownByItsStart(t *testing.T) {
	cmd := startSleep(t)
	start, err := startTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProcess(cmd.Process.Pid, start)
	if err != nil {
		t.Fatal(err)
	}
	defer p.pidfd.Close()
	if p.ended() {
		t.Error("a process that runs has ended")
	}
	// Another process that was given the number of one that has ended.
	if _, err := openProcess(cmd.Process.Pid, start+1); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a process that started at another time: got %v", err)
	}
	if err := p.kill(); err != nil {
		t.Error(err)
	}
	if _, err := p.wait(t.Context()); err != nil {
		t.Error(err)
	}
	// It is a zombie until it is waited for, and nothing after.
	for range 2 {
		if _, err := openProcess(cmd.Process.Pid, start); !errors.Is(err, ErrNotRunning) {
			t.Errorf("a process that has ended: got %v", err)
		}
		cmd.Wait()
	}
	if err := p.kill(); err != nil {
		t.Errorf("kill a process that has ended: %v", err)
	}
}

// A process in the kernel's uninterruptible sleep ends whenever that does, signal or not.
func TestProcessWaitEndsWithItsContext(t *testing.T) {
	cmd := startSleep(t)
	start, err := startTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProcess(cmd.Process.Pid, start)
	if err != nil {
		t.Fatal(err)
	}
	defer p.pidfd.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait for a process that runs: got %v", err)
	}
}

func TestProcessThatNeverWas(t *testing.T) {
	for _, pid := range []int{0, -1, 1 << 30} {
		if _, err := openProcess(pid, 1); !errors.Is(err, ErrNotRunning) {
			t.Errorf("pid %d: got %v", pid, err)
		}
	}
}
