// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attachTCX updates the link pinned at path, or makes and pins a new one. The update is atomic: each packet meets the
// old program or the new one. An error that is ebpf.ErrNotSupported means a kernel without TCX (before 6.6).
func (h *hook) attachTCX(path string) error {
	pinned, err := link.LoadPinnedLink(path, nil)
	switch {
	case err == nil:
		defer pinned.Close()
		if alive(pinned, h.ifindex) {
			err = pinned.Update(h.program)
			if err == nil || !errors.Is(err, unix.ENOLINK) {
				return err
			}
		}
		// Its device is gone: another one of the same name takes its place.
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing the pin of a dead link: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("opening the pinned link: %w", err)
	}

	l, err := link.AttachTCX(link.TCXOptions{Interface: h.ifindex, Program: h.program, Attach: h.attach})
	if err != nil {
		return err
	}
	defer l.Close() // the pin holds it
	if err := l.Pin(path); err != nil {
		return fmt.Errorf("pinning the link: %w", err)
	}
	return nil
}

// alive tells whether a TCX link still hangs on the device; the kernel reports index 0 once that is gone.
func alive(l link.Link, ifindex int) bool {
	info, err := l.Info()
	if err != nil || info.TCX() == nil {
		return false
	}
	return int(info.TCX().Ifindex) == ifindex
}
