// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"
)

// startTimeout bounds QEMU's own start, up to its answer on QMP.
const startTimeout = time.Minute

// Start starts a VM. It may be called in any network namespace, for QEMU joins none. ctx bounds the start, not the VM's life.
//
// When Start fails, QEMU is gone and what was made is removed. The error is one line that says what to mend: it wraps a
// *ConfigError, ErrNoQEMU, ErrNoKVM, ErrRunning, the error of a file, or is made of QEMU's own last words.
func Start(ctx context.Context, cfg Config, log *slog.Logger) (*VM, error) {
	c, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	if c.QEMU, err = findQEMU(c.QEMU); err != nil {
		return nil, err
	}
	dir := runDir(c.RunDir)
	unlock, made, err := dir.take()
	if err != nil {
		return nil, err
	}
	defer unlock()
	v, err := startIn(ctx, dir, &c, log)
	if err != nil {
		if e := dir.clear(); e != nil {
			err = fmt.Errorf("%w; and then: %w", err, e)
		}
		if made {
			os.Remove(c.RunDir)
		}
		return nil, err
	}
	return v, nil
}

// startIn starts a VM in a directory that is ours. The caller clears the directory when that fails.
func startIn(ctx context.Context, dir runDir, c *Config, log *slog.Logger) (*VM, error) {
	acceleration, reason, err := accelerate(ctx, c)
	if err != nil {
		return nil, err
	}
	if reason != "" {
		log.Info("no KVM: the guest is emulated", "why", reason)
	}
	r := &resources{}
	p, err := r.launch(ctx, dir, c, acceleration)
	r.close()
	if err != nil {
		r.undo()
		return nil, err
	}
	v, err := takeCharge(ctx, dir, c, p, acceleration, log)
	if err != nil {
		r.undo()
		return nil, err
	}
	return v, nil
}

// launch gathers all that QEMU needs and starts it, with its processors stopped.
func (r *resources) launch(ctx context.Context, dir runDir, c *Config, acceleration Acceleration) (*process, error) {
	a := &arguments{}
	a.machine(c, acceleration)
	for i, n := range c.NICs { // first, so that guests number them first
		taps, err := r.duplicates(n.FDs)
		if err != nil {
			return nil, fmt.Errorf("NIC %s: %w", n.Name, err)
		}
		vhosts, err := r.duplicates(n.VHostFDs)
		if err != nil {
			return nil, fmt.Errorf("NIC %s: %w", n.Name, err)
		}
		a.nic(i, n, taps, vhosts)
	}
	if err := r.addDisks(ctx, dir, c, a); err != nil {
		return nil, err
	}
	if err := r.addSockets(dir, c, a); err != nil {
		return nil, err
	}
	if err := r.addKernel(c, a); err != nil {
		return nil, err
	}
	words, err := dir.create(qemuLog, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	r.keep(words)
	var groups []uint32
	if acceleration == KVM {
		groups = kvmGroups()
	}
	return spawn(c, a, words, groups)
}

func (r *resources) addDisks(ctx context.Context, dir runDir, c *Config, a *arguments) error {
	var drives []*drive
	for _, d := range c.Disks {
		drv, undo, err := openDrive(ctx, dir, c, d)
		if err != nil {
			return err
		}
		r.onFailure(undo)
		for layer := drv; layer != nil; layer = layer.base {
			r.keep(layer.file)
		}
		drives = append(drives, drv)
	}
	a.disks(drives)
	return nil
}

func (r *resources) addSockets(dir runDir, c *Config, a *arguments) error {
	sockets := []struct {
		name string
		use  bool
		add  func(listener *os.File) error
	}{
		{monitorSocket, true, func(l *os.File) error { a.monitor("monitor", l); return nil }},
		{controlSocket, true, func(l *os.File) error { a.monitor("control", l); return nil }},
		{agentSocket, c.GuestAgent, func(l *os.File) error { a.guestAgent(l); return nil }},
		{consoleSocket, c.Serial, func(l *os.File) error {
			log, err := dir.create(consoleLog, os.O_WRONLY|os.O_APPEND)
			if err == nil {
				a.serial(l, r.keep(log))
			}
			return err
		}},
	}
	for _, s := range sockets {
		if !s.use {
			continue
		}
		l, err := dir.listen(s.name)
		if err != nil {
			return err
		}
		if err := s.add(r.keep(l)); err != nil {
			return err
		}
	}
	return nil
}

func (r *resources) addKernel(c *Config, a *arguments) error {
	if c.Kernel == nil {
		return nil
	}
	image, err := r.readable(c, c.Kernel.Image)
	if err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	var initrd *os.File
	if c.Kernel.Initrd != "" {
		if initrd, err = r.readable(c, c.Kernel.Initrd); err != nil {
			return fmt.Errorf("initrd: %w", err)
		}
	}
	a.kernel(image, initrd, c.Kernel.Cmdline)
	return nil
}

// takeCharge makes a VM of a QEMU that was just started, and lets it run. When that fails, QEMU has ended.
func takeCharge(ctx context.Context, dir runDir, c *Config, p *process, acceleration Acceleration, log *slog.Logger) (*VM, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := state{Name: c.Name, PID: p.pid, Start: p.start, Acceleration: acceleration}
	err := dir.writeState(s)
	var v *VM
	if err == nil {
		v, err = connect(ctx, dir, monitorSocket, s, p, log)
	}
	if err != nil {
		p.kill()
		status, _ := p.wait(ctx)
		p.pidfd.Close()
		// A QEMU that didn't like its arguments has said so, and ended before it could be killed.
		if wait, _ := status.Sys().(syscall.WaitStatus); !wait.Signaled() || wait.Signal() != syscall.SIGKILL {
			err = c.complaint(new(ending).exit(status, dir.lastWords()).Detail)
		}
		return nil, err
	}
	if err := v.begin(ctx, c); err != nil {
		p.kill()
		<-v.ended
		v.Close()
		return nil, err
	}
	return v, nil
}

// begin sets what only a running monitor can, and starts the processors.
func (v *VM) begin(ctx context.Context, c *Config) error {
	for i, n := range c.NICs {
		if !n.LinkDown {
			continue
		}
		if err := v.SetLink(ctx, i, false); err != nil {
			return err
		}
	}
	if c.StartPaused {
		return nil
	}
	return v.Unpause(ctx)
}
