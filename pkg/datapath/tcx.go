// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"

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
		if h.attach == ebpf.AttachXDP {
			continue
		}
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
	taken, err := h.isTaken(path)
	if taken || err != nil {
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
