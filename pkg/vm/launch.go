// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const defaultQEMU = "qemu-system-x86_64"

// findQEMU returns the absolute path of the binary.
func findQEMU(name string) (string, error) {
	if name == "" {
		name = defaultQEMU
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, ErrNoQEMU)
	}
	return filepath.Abs(path)
}

// credential is who QEMU is: Config's user in a session of its own, that no signal to ours reaches. Root also puts it into an empty
// network namespace; a caller that isn't root is in that of its pod at most.
func credential(c *Config, groups []uint32) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: uint32(c.UID), Gid: uint32(c.GID), Groups: groups}
		attr.Cloneflags = unix.CLONE_NEWNET
	}
	return attr
}

// confine completes a command that runs QEMU, so that files[i] is its descriptor 3+i and nothing else of ours gets to it: neither
// our environment, nor what others have opened to be inherited by children of theirs.
func confine(cmd *exec.Cmd, c *Config, files []*os.File, groups []uint32) error {
	highest, err := highestInheritable()
	if err != nil {
		return err
	}
	for len(files) <= highest-3 {
		files = append(files, nil) // closed in the child: os.ProcAttr
	}
	cmd.ExtraFiles = files
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.SysProcAttr = credential(c, groups)
	return nil
}

// highestInheritable is the highest descriptor that a child would get unasked. Go opens none like that.
func highestInheritable() (int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, fmt.Errorf("list our descriptors: %w", err)
	}
	highest := 2
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return 0, fmt.Errorf("list our descriptors: %w", err)
		}
		// An error is that of the listing itself, which is closed by now.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			highest = max(highest, fd)
		}
	}
	return highest, nil
}

// environment is what QEMU and its tools need of one.
func environment() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C"} }

// spawn starts QEMU. Its words go to a file and not to a pipe, which would end with us.
func spawn(c *Config, a *arguments, words *os.File, groups []uint32) (*process, error) {
	cmd := exec.Command(c.QEMU, a.line...)
	cmd.Stdout, cmd.Stderr = words, words
	if err := confine(cmd, c, a.files, groups); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run QEMU as user %d: %w", c.UID, err)
	}
	p, err := startedProcess(cmd)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	return p, nil
}

// resources are the files that a VM is made of, until QEMU has inherited them.
type resources struct {
	files []*os.File
	undos []func()
}

func (r *resources) keep(f *os.File) *os.File {
	r.files = append(r.files, f)
	return f
}

// close lets go of our side; QEMU has its own.
func (r *resources) close() {
	for _, f := range r.files {
		f.Close()
	}
	r.files = nil
}

func (r *resources) onFailure(f func()) { r.undos = append(r.undos, f) }

// undo removes what was made.
func (r *resources) undo() {
	for _, f := range r.undos {
		f()
	}
}

// duplicates takes copies of the caller's descriptors, which stay the caller's.
func (r *resources) duplicates(fds []int) ([]*os.File, error) {
	var files []*os.File
	for _, fd := range fds {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
		}
		files = append(files, r.keep(os.NewFile(uintptr(own), "inherited")))
	}
	return files, nil
}

// readable opens a file that QEMU's user opens anew.
func (r *resources) readable(c *Config, path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r.keep(f)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	stat, mode := info.Sys().(*syscall.Stat_t), info.Mode().Perm()
	if mode&0o004 == 0 && (mode&0o400 == 0 || int(stat.Uid) != c.UID) && (mode&0o040 == 0 || int(stat.Gid) != c.GID) {
		return nil, fmt.Errorf("%s can't be read by user %d, as which QEMU runs: chmod a+r %s", path, c.UID, path)
	}
	return f, nil
}

// memoryFile is a file without a name that anyone who has it may open anew.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
