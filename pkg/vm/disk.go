// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// drive is an opened disk.
type drive struct {
	Disk
	file   *os.File
	device bool // file is a block device
	format format
	base   *drive // of an overlay
}

func (d *drive) close() {
	if d.base != nil {
		d.base.close()
	}
	d.file.Close()
}

// openDrive opens a disk, making it first where its source says so. undo is called by the caller if the VM doesn't come to be.
func openDrive(ctx context.Context, dir runDir, cfg *Config, d Disk) (drv *drive, undo func(), err error) {
	undo = func() {} // what is in dir is cleared with it
	switch d.Source {
	case HostDisk:
		drv, undo, err = openHostDisk(d)
	case EmptyDisk:
		drv, err = makeEmptyDisk(dir, d)
	case Overlay:
		drv, err = makeOverlay(ctx, dir, d)
	case Seed:
		drv, err = makeSeed(dir, d, cfg.CloudInit)
	case Files:
		drv, err = makeFiles(dir, d)
	}
	if err != nil {
		undo()
		return nil, nil, fmt.Errorf("disk %s: %w", d.Name, err)
	}
	return drv, undo, nil
}

func openHostDisk(d Disk) (*drive, func(), error) {
	undo := func() {}
	if d.Create {
		made, err := createHostDisk(d)
		if err != nil {
			return nil, undo, err
		}
		if made {
			undo = func() { os.Remove(d.Path) }
		}
	}
	drv, err := openImage(d, d.ReadOnly)
	if err != nil {
		return nil, undo, err
	}
	img, err := readHostDisk(drv.file)
	if err != nil {
		drv.close()
		return nil, undo, fmt.Errorf("%s: %w", d.Path, err)
	}
	drv.format = img.format
	return drv, undo, nil
}

// createHostDisk makes a sparse raw disk, and tells whether it had to. It is the caller's own: Config.UID may be another VM's one day.
func createHostDisk(d Disk) (bool, error) {
	f, err := os.OpenFile(d.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := f.Truncate(d.Bytes); err != nil {
		os.Remove(d.Path)
		return false, err
	}
	return true, nil
}

// openImage opens the file or block device of a disk.
func openImage(d Disk, readOnly bool) (*drive, error) {
	mode := os.O_RDWR
	if readOnly {
		mode = os.O_RDONLY
	}
	// Non-blocking, so that a FIFO of that name is refused and not waited for.
	f, err := os.OpenFile(d.Path, mode|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && (info.Mode()&fs.ModeDevice == 0 || info.Mode()&fs.ModeCharDevice != 0) {
		err = fmt.Errorf("%s is neither a file nor a block device", d.Path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &drive{Disk: d, file: f, device: !info.Mode().IsRegular()}, nil
}

func makeEmptyDisk(dir runDir, d Disk) (*drive, error) {
	f, err := dir.create(diskPrefix+d.Name+".raw", os.O_RDWR)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(d.Bytes); err != nil {
		f.Close()
		return nil, err
	}
	return &drive{Disk: d, file: f, format: raw}, nil
}

// makeOverlay makes a qcow2 that takes what the guest writes, over a base that is only read. The base isn't named
// in the overlay: QEMU is handed both.
func makeOverlay(ctx context.Context, dir runDir, d Disk) (*drive, error) {
	base, err := openImage(d, true)
	if err != nil {
		return nil, err
	}
	img, err := readImage(base.file)
	if err != nil {
		base.close()
		return nil, fmt.Errorf("%s: %w", d.Path, err)
	}
	base.format = img.format

	f, err := dir.create(diskPrefix+d.Name+".qcow2", os.O_RDWR)
	if err != nil {
		base.close()
		return nil, err
	}
	top := &drive{Disk: d, file: f, format: qcow2, base: base}
	if err := formatQcow2(ctx, f.Name(), max(img.bytes, d.Bytes)); err != nil {
		top.close()
		return nil, err
	}
	return top, nil
}

func formatQcow2(ctx context.Context, path string, bytes int64) error {
	tool, err := exec.LookPath("qemu-img")
	if err != nil {
		return ErrNoQEMU
	}
	cmd := exec.CommandContext(ctx, tool, "create", "-q", "-f", string(qcow2), path, strconv.FormatInt(bytes, 10))
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make an overlay: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
