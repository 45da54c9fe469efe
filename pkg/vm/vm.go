// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

const (
	// openTimeout bounds the wait for another process that has the control socket.
	openTimeout = 10 * time.Second
	// pressInterval is how often the power button is pressed: a guest that still boots doesn't notice it.
	pressInterval = 3 * time.Second
	// quitTimeout bounds the wait for QEMU to end after quit, with its disks flushed, before it is killed.
	quitTimeout = 5 * time.Second
)

// VM is a virtual machine that runs, or has ended. Its methods may be called from any goroutine.
type VM struct {
	state  state
	dir    runDir
	mon    *monitor
	proc   *process
	log    *slog.Logger
	ending ending
	agent  chan struct{} // holds one while the guest's agent is asked

	closing context.Context
	close   context.CancelFunc
	ended   chan struct{} // closed when QEMU has ended
	exit    Exit          // valid once ended is closed
}

// Open takes over the VM that was started in runDir, by whatever process, which may go on to hold it too.
// Returns an error wrapping ErrNotRunning when there is none, and ErrBusy when a third process has opened it and doesn't
// let go of it in time; a QEMU that hangs can't be told from that, and [Kill] is for both.
func Open(ctx context.Context, dir string, log *slog.Logger) (*VM, error) {
	d := runDir(dir)
	p, s, err := d.openQEMU()
	if err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	v, err := connect(patience, d, controlSocket, s, p, log)
	if err != nil {
		defer p.pidfd.Close()
		// A QEMU that ends resets the connections that it hasn't come to, and is a process for a moment longer.
		ending, cancel := context.WithTimeout(patience, lastWordsTimeout)
		defer cancel()
		if _, gone := p.wait(ending); gone == nil {
			return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
		}
		if patience.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("%s: %w, or QEMU hangs: %w", dir, ErrBusy, err)
		}
		return nil, err
	}
	return v, nil
}

// Console connects to the serial console of the VM in dir, which speaks to one at a time: of two that are connected, the
// second sees nothing until the first has left. Returns an error wrapping ErrNotRunning when there is no VM.
func Console(ctx context.Context, dir string) (net.Conn, error) {
	return runDir(dir).dial(ctx, consoleSocket)
}

// Kill ends the VM that was started in dir at once, also when its QEMU hangs; what QEMU hadn't yet written to its disks is lost.
// It returns when QEMU has ended, or with an error: one that wraps ErrNotRunning when there is none, ctx's when it has ended first.
func Kill(ctx context.Context, dir string) error {
	p, _, err := runDir(dir).openQEMU()
	if err != nil {
		return err
	}
	defer p.pidfd.Close()
	if err := p.kill(); err != nil {
		return err
	}
	_, err = p.wait(ctx)
	return err
}

// Remove deletes what a VM that has ended left in dir, and dir itself unless there is something else in it.
// Returns nil when nothing is there, and an error wrapping ErrRunning when the VM runs.
func Remove(dir string) error {
	d := runDir(dir)
	unlock, err := d.lock()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.vacate(); err != nil {
		return err
	}
	os.Remove(dir) // fails if it isn't empty, as it should
	return nil
}

// PID is QEMU's process.
func (v *VM) PID() int { return v.state.PID }

// Name is the VM's, as in its Config.
func (v *VM) Name() string { return v.state.Name }

// Acceleration is what the VM runs with: KVM or TCG.
func (v *VM) Acceleration() Acceleration { return v.state.Acceleration }

// Status is QEMU's run state, such as "running", "paused" or "internal-error": RunState in QEMU's qapi/run-state.json.
func (v *VM) Status(ctx context.Context) (string, error) {
	var s struct{ Status string }
	err := v.mon.execute(ctx, "query-status", nil, &s)
	return s.Status, err
}

// Pause stops the processors; nil if they are.
func (v *VM) Pause(ctx context.Context) error { return v.mon.execute(ctx, "stop", nil, nil) }

// Unpause lets the processors run; nil if they do.
func (v *VM) Unpause(ctx context.Context) error { return v.mon.execute(ctx, "cont", nil, nil) }

// Monitor gives the VM's QMP connection to those who need more of it. It must not be disconnected.
func (v *VM) Monitor() qmp.Monitor { return v.mon }

// Events are QEMU's events from now on, until ctx or the VM ends, which closes the channel. A reader that falls far behind loses some.
func (v *VM) Events(ctx context.Context) <-chan qmp.Event { return v.mon.subscribe(ctx) }

// Close lets go of the VM, which runs on.
func (v *VM) Close() error {
	v.close()
	v.mon.Disconnect()
	return nil
}

// Shutdown presses the guest's power button, waits grace for it to power itself off, and else ends it. A paused guest
// is let run for it. Returns how the VM ended, or ctx's error, and then the VM may still run.
func (v *VM) Shutdown(ctx context.Context, grace time.Duration) (Exit, error) {
	v.ending.request()
	waiting, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	press := time.NewTicker(pressInterval)
	defer press.Stop()
	// A VM that is just ending, or whose QEMU hangs, doesn't answer: the deadline is for these too.
	if grace > 0 {
		v.Unpause(waiting)
		v.pressPower(waiting)
	}
	for {
		select {
		case <-v.ended:
			return v.exit, nil
		case <-press.C:
			v.pressPower(waiting)
		case <-waiting.Done():
			if ctx.Err() != nil {
				return Exit{}, context.Cause(ctx)
			}
			if grace > 0 {
				v.ending.timeout(fmt.Sprintf("the guest didn't power off within %s", grace))
			}
			return v.Kill(ctx)
		}
	}
}

func (v *VM) pressPower(ctx context.Context) {
	if err := v.mon.execute(ctx, "system_powerdown", nil, nil); err != nil {
		v.log.Debug("press the power button", "err", err)
	}
}

// Kill ends the VM as a power failure would, for the guest; QEMU writes out what it holds.
func (v *VM) Kill(ctx context.Context) (Exit, error) {
	v.ending.request()
	quit, cancel := context.WithTimeout(ctx, quitTimeout)
	defer cancel()
	if err := v.mon.execute(quit, "quit", nil, nil); err == nil {
		select {
		case <-v.ended:
			return v.exit, nil
		case <-quit.Done():
		}
	}
	if err := v.proc.kill(); err != nil {
		return Exit{}, err
	}
	return v.Wait(ctx)
}

// Wait returns when the VM has ended, or with an error when ctx has, or Close was called: os.ErrClosed.
func (v *VM) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-v.ended:
		return v.exit, nil
	case <-v.closing.Done():
		return Exit{}, os.ErrClosed
	case <-ctx.Done():
		return Exit{}, context.Cause(ctx)
	}
}
