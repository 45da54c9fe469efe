// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

const tcxNext = -1 // TCX_NEXT, linux/bpf.h: on to the next program

// linkTCX is replaced where a test plays a kernel without TCX.
var linkTCX = link.AttachTCX

// takePlaces hangs a program that lets everything pass wherever nothing of Tapir hangs yet, and pins its link. On
// kernels without TCX (before 6.6) it does nothing.
func takePlaces(dir string, places []hook) error {
	idle, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         "tapir_idle",
		Type:         ebpf.SchedCLS,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, tcxNext), asm.Return()},
		License:      "Dual BSD/GPL",
	})
	if err != nil {
		return explainLoad(err)
	}
	defer idle.Close()
	for _, h := range places {
		err := h.takePlace(h.pin(dir), idle)
		if errors.Is(err, ebpf.ErrNotSupported) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("attaching %s: %w", h.name, err)
		}
	}
	return nil
}

func (h *hook) takePlace(path string, idle *ebpf.Program) error {
	alive, err := h.tcxAlive(path)
	if alive {
		return nil
	}
	if err == nil { // its device is gone, and another one of the same name has come
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l, err := linkTCX(link.TCXOptions{Interface: h.ifindex, Program: idle, Attach: h.attach})
	if err != nil {
		return err
	}
	defer l.Close() // the pin holds it
	if err := l.Pin(path); err != nil {
		return fmt.Errorf("pinning the link: %w", err)
	}
	return nil
}

// updateTCX makes the link pinned at path run the program. Each packet meets the one before or this one.
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
func (h *hook) tcxAlive(path string) (bool, error) {
	info, err := linkInfo(path)
	if err != nil {
		return false, err
	}
	// The kernel reports index 0 once a link's device is gone.
	return info.TCX() != nil && int(info.TCX().Ifindex) == h.ifindex, nil
}

// tcxRuns tells whether that link hangs there and runs the hook's program, not just an idle one.
func (h *hook) tcxRuns(path string) (bool, error) {
	alive, err := h.tcxAlive(path)
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
