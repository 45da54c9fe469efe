// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// A process writes to a log of its own, and ends with the thread that started it.
type process struct {
	name  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// start runs a program in a session of its own, out of reach of what is typed at a terminal. The flags say which namespaces
// are to be made for it.
func (l *Lab) start(name string, stdin io.Reader, namespaces uintptr, line ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(l.config.logs(), name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: namespaces}
	if err := l.thread.do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.cmd.Wait() // its log says why it has ended
		close(p.ended)
	}()
	return p, nil
}

// kill returns when the process has ended. There may be none.
func (p *process) kill() error {
	if p == nil {
		return nil
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.ended
	return nil
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// failure is what to tell of a process that should not have ended.
func (p *process) failure() error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("%s has ended: %w", p.name, err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return fmt.Errorf("%s has ended: %s (all of it: %s)", p.name, bytes.Join(lines[max(0, len(lines)-3):], []byte("; ")), p.log)
}
