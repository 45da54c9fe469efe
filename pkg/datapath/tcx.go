// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// linkTCX is replaced where a test plays a kernel without TCX.
var linkTCX = link.AttachTCX

// attachTCX updates the link pinned at path, or makes and pins a new one. The update is atomic: each packet meets the
// old program or the new one. An error that is ebpf.ErrNotSupported means a kernel without TCX (before 6.6).
func (h *hook) attachTCX(path string, program *ebpf.Program) error {
	alive, err := h.tcxAlive(path)
	if alive {
		return updateTCX(path, program)
	}
	if err == nil { // its device is gone, and another one of the same name has come
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l, err := linkTCX(link.TCXOptions{Interface: h.ifindex, Program: program, Attach: h.attach})
	if err != nil {
		return err
	}
	defer l.Close() // the pin holds it
	if err := l.Pin(path); err != nil {
		return fmt.Errorf("pinning the link: %w", err)
	}
	return nil
}

func updateTCX(path string, program *ebpf.Program) error {
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return fmt.Errorf("opening the pinned link: %w", err)
	}
	defer l.Close()
	return l.Update(program)
}

// detachTCX doesn't leave it to the kernel when the last reference to the link goes: when it returns, no packet
// meets the program any more.
func detachTCX(path string) error {
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return fmt.Errorf("opening the pinned link: %w", err)
	}
	defer l.Close()
	if err := l.Detach(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("unpinning the link: %w", err)
	}
	return nil
}

// tcxAlive tells whether the link pinned at path hangs on the device; fs.ErrNotExist when there is no such pin.
// The kernel reports index 0 once a link's device is gone.
func (h *hook) tcxAlive(path string) (bool, error) {
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return false, fmt.Errorf("opening the pinned link: %w", err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return false, fmt.Errorf("asking for the pinned link's device: %w", err)
	}
	tcx := info.TCX()
	return tcx != nil && int(tcx.Ifindex) == h.ifindex, nil
}
