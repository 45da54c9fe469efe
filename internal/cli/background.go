// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// backgroundEnv tells a child that it is the background half of `run -d`: its descriptor 3 is a pipe to
// the half that the user sees. A line on it is progress, unless it starts with a word of the protocol.
const backgroundEnv = "TAPIR_BACKGROUND"

const (
	lineReady = "ready"
	lineError = "error: "
)

// runInBackground starts this very command again in a session of its own, with that standard input if any, and
// returns when its VMs run.
func runInBackground(cmd *cobra.Command, stdin *os.File) error {
	exe, err := os.Executable() // not /proc/self/exe, for the process would be called exe
	if err != nil {
		return fmt.Errorf("start in the background: find this program: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	defer r.Close()
	child := exec.Command(exe, os.Args[1:]...)
	if stdin != nil {
		child.Stdin = stdin
	}
	child.Env = append(os.Environ(), backgroundEnv+"=1")
	child.ExtraFiles = []*os.File{w}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = child.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	// Ctrl-C reaches only this half: the other one has to undo what it began.
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	deaf := context.AfterFunc(ctx, func() { _ = child.Process.Signal(syscall.SIGTERM) })
	defer deaf()
	lines := bufio.NewReader(r) // no Scanner: an error about many fields is a long line
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("the background process ended before the VM ran: %v", child.Wait())
		}
		line = strings.TrimSuffix(line, "\n")
		switch reason, failed := strings.CutPrefix(line, lineError); {
		case line == lineReady:
			return child.Process.Release()
		case failed:
			_ = child.Wait()
			return errors.New(strings.ReplaceAll(reason, "\x00", "\n"))
		}
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
}

// parentPipe is the background half's way to the half that the user sees.
type parentPipe struct{ *os.File }

// backgroundParent returns nil when this process is no background half.
func backgroundParent() *parentPipe {
	if os.Getenv(backgroundEnv) == "" {
		return nil
	}
	os.Unsetenv(backgroundEnv)
	return &parentPipe{os.NewFile(3, "parent")}
}

// ready lets the user's half return; what comes later is in the VM's log.
func (p *parentPipe) ready() {
	fmt.Fprintln(p, lineReady)
	p.Close()
}

// tell hands an error to the user's half, which prints it. After ready nobody listens any more.
func (p *parentPipe) tell(err error) error {
	if err != nil {
		fmt.Fprintln(p, lineError+strings.ReplaceAll(err.Error(), "\n", "\x00"))
	}
	p.Close()
	return err
}
