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

// updateLink makes the link pinned at path run the program. Each packet meets the one before or this one.
func updateLink(path string, program *ebpf.Program) error {
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return fmt.Errorf("opening the pinned link: %w", err)
	}
	defer l.Close()
	return l.Update(program)
}

// detachLink doesn't leave it to the kernel when the last reference to the link goes: when it returns, no packet
// meets the program any more.
func detachLink(path string) error {
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

// linkAlive tells whether the link pinned at path hangs on the device; fs.ErrNotExist when there is no such pin.
func (h *hook) linkAlive(path string) (bool, error) {
	info, err := linkInfo(path)
	if err != nil {
		return false, err
	}
	// The kernel reports index 0 once a link's device is gone.
	var ifindex uint32
	if tcx := info.TCX(); tcx != nil {
		ifindex = tcx.Ifindex
	} else if xdp := info.XDP(); xdp != nil {
		ifindex = xdp.Ifindex
	}
	return ifindex != 0 && int(ifindex) == h.ifindex, nil
}

// isTaken tells the same, and makes room where the device of the link is gone, and another one of the same name has come.
func (h *hook) isTaken(path string) (bool, error) {
	alive, err := h.linkAlive(path)
	if err == nil && !alive {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return alive, err
}

// linkRuns tells whether that link hangs there and runs the hook's program, not just an idle one.
func (h *hook) linkRuns(path string) (bool, error) {
	alive, err := h.linkAlive(path)
	if !alive {
		return false, err
	}
	info, err := linkInfo(path)
	if err != nil {
		return false, err
	}
	program, err := ebpf.NewProgramFromID(info.Program)
	if err != nil {
		return false, fmt.Errorf("opening the link's program: %w", err)
	}
	defer program.Close()
	about, err := program.Info()
	return err == nil && about.Name == h.name, err
}

func linkInfo(path string) (*link.Info, error) {
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return nil, fmt.Errorf("opening the pinned link: %w", err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return nil, fmt.Errorf("asking the pinned link for its device: %w", err)
	}
	return info, nil
}
