// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/pkg/vm/probe"
)

const (
	kvmDevice = "/dev/kvm"
	// probeTimeout is a hundred times what the payload needs.
	probeTimeout = 10 * time.Second
	// verdictDir keeps what probes have found, one file each.
	verdictDir = "/run/tapir/kvm"
)

// accelerate decides how the VM runs, and completes c's CPU model accordingly. The reason is for people, and empty where
// there was no choice. Returns an error wrapping ErrNoKVM when KVM was asked for in vain.
func accelerate(ctx context.Context, c *Config) (chosen Acceleration, reason string, err error) {
	chosen = c.Acceleration
	if chosen == TCG {
		if c.CPUModel == "host" {
			return "", "", configErrorf("CPUModel", "cpu.model host needs KVM: leave it out, or take max")
		}
	} else {
		verdict := kvmRuns(ctx, c)
		if ctx.Err() != nil {
			return "", "", context.Cause(ctx)
		}
		var problem *ConfigError
		switch {
		case verdict == nil:
			chosen = KVM
		case errors.As(verdict, &problem):
			return "", "", verdict
		case chosen == KVM:
			return "", "", fmt.Errorf("%w: %w", ErrNoKVM, verdict)
		default:
			chosen, reason = TCG, verdict.Error()
		}
	}
	switch {
	case chosen == TCG && (c.CPUModel == "" || c.CPUModel == "host"):
		c.CPUModel = "max"
	case c.CPUModel == "":
		c.CPUModel = "host"
	}
	return chosen, reason, nil
}

// kvmRuns returns nil when KVM runs a guest as c has it, else why it doesn't, or can't be told. What a probe has told is remembered.
func kvmRuns(ctx context.Context, c *Config) error {
	if err := kvmOpens(c.UID, c.GID); err != nil {
		return err
	}
	model := c.CPUModel
	if model == "" {
		model = "host"
	}
	file, err := verdictFile(c, model)
	if err != nil {
		return err
	}
	var verdict struct {
		Problem string `json:"problem"`
	}
	if b, err := os.ReadFile(file); err == nil && json.Unmarshal(b, &verdict) == nil {
		return asError(verdict.Problem)
	}
	if verdict.Problem, err = bootProbe(ctx, c, KVM, model, kvmGroups()); err != nil {
		return err // the next VM may be luckier
	}
	// A launcher without a place of its own there just probes each time.
	if b, err := json.Marshal(verdict); err == nil && os.MkdirAll(verdictDir, 0o755) == nil {
		os.WriteFile(file, b, 0o644)
	}
	return asError(verdict.Problem)
}

func asError(problem string) error {
	if problem == "" {
		return nil
	}
	return errors.New(problem)
}

// verdictFile is named by all that could change a verdict; whose QEMU it is doesn't, once that may open the device.
func verdictFile(c *Config, model string) (string, error) {
	info, err := os.Stat(c.QEMU)
	if err != nil {
		return "", err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	key := fmt.Sprintln(c.QEMU, info.Size(), info.ModTime().UnixNano(), string(boot), c.Machine, model)
	return filepath.Join(verdictDir, fmt.Sprintf("%x.json", sha256.Sum256([]byte(key)))), nil
}

// kvmOpens tells whether that user may open /dev/kvm, with the groups that credential gives it.
func kvmOpens(uid, gid int) error {
	info, err := os.Stat(kvmDevice)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s", kvmDevice)
	}
	if err != nil {
		return err
	}
	stat := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case mode&0o006 == 0o006, mode&0o600 == 0o600 && int(stat.Uid) == uid, mode&0o060 == 0o060 && int(stat.Gid) == gid:
		return nil
	case os.Geteuid() == 0 && len(kvmGroups()) > 0:
		return nil
	case unix.Access(kvmDevice, unix.R_OK|unix.W_OK) == nil && os.Geteuid() == uid:
		return nil
	}
	return fmt.Errorf("user %d may not open %s (mode %o, owner %d:%d): chgrp kvm %s && chmod 660 %s",
		uid, kvmDevice, mode, stat.Uid, stat.Gid, kvmDevice, kvmDevice)
}

// kvmGroups is the group to which distributions give /dev/kvm; that of root isn't given away.
func kvmGroups() []uint32 {
	info, err := os.Stat(kvmDevice)
	if err != nil || info.Mode().Perm()&0o060 != 0o060 {
		return nil
	}
	if gid := info.Sys().(*syscall.Stat_t).Gid; gid != 0 {
		return []uint32{gid}
	}
	return nil
}

// bootProbe boots the payload of package probe. The problem is "" when it got through, else what QEMU ended of by itself.
// A probe that was never run or never ended tells nothing about the machine, which may just be busy: that is an error.
func bootProbe(ctx context.Context, c *Config, acceleration Acceleration, model string, groups []uint32) (problem string, err error) {
	rom, err := memoryFile("probe", probe.Firmware())
	if err != nil {
		return "", err
	}
	defer rom.Close()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()

	var words strings.Builder
	cmd := exec.CommandContext(ctx, c.QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", escape(c.Machine)+",accel="+string(acceleration), "-cpu", model, "-m", "16",
		"-bios", "/proc/self/fd/3", "-device", "isa-debug-exit,iobase=0xf4,iosize=4")
	cmd.Stderr = &words
	if err := confine(cmd, c, []*os.File{rom}, groups); err != nil {
		return "", err
	}
	err = cmd.Run()
	switch {
	case cmd.ProcessState == nil:
		return "", fmt.Errorf("run QEMU: %w", err)
	case cmd.ProcessState.ExitCode() == probe.Passed:
		return "", nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("a test guest hung (processor model %s)", model)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(words.String()), "\n")
	first = strings.TrimPrefix(first, filepath.Base(c.QEMU)+": ")
	var wrong *ConfigError
	if err := c.complaint(first); errors.As(err, &wrong) {
		return "", err
	}
	problem = fmt.Sprintf("a test guest failed (processor model %s): %s: %s", model, cmd.ProcessState, first)
	if wait, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); wait.Signaled() && !crashes(wait.Signal()) {
		return "", errors.New(problem) // killed by someone, such as the kernel for want of memory
	}
	return problem, nil
}
