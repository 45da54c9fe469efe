// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// planXDP refuses a pod NIC that has an XDP program of somebody else's.
func (r *record) planXDP(nic netlink.Link, dir string) error {
	h := xdpHook(&r.Constants)
	ours, err := h.linkAlive(h.pin(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if xdp := nic.Attrs().Xdp; !ours && xdp != nil && xdp.Attached {
		return fmt.Errorf("%w: %s has an XDP program of somebody else's (id %d): remove that, or use fastpath %s",
			ErrInvalid, nic.Attrs().Name, xdp.ProgId, FastpathTC)
	}
	if r.GRO != nil {
		return nil // it is Attach that has set it
	}
	on, err := hasGRO(nic.Attrs().Name)
	r.GRO = &on
	return err
}

// hangXDP makes the driver run the program, in the place of another version of it or in an empty one.
func (h *hook) hangXDP(path string, program *ebpf.Program) error {
	taken, err := h.isTaken(path)
	if err != nil {
		return err
	}
	if taken {
		return updateLink(path, program)
	}
	l, err := link.AttachXDP(link.XDPOptions{Interface: h.ifindex, Program: program, Flags: link.XDPDriverMode})
	if err != nil {
		return explainXDP(err)
	}
	defer l.Close() // the pin holds it
	if err := l.Pin(path); err != nil {
		return fmt.Errorf("pinning the link: %w", err)
	}
	return nil
}

// explainXDP: drivers have an error number for each reason. Those here are drivers/net/veth.c's (veth_xdp_set); others
// use some of them too.
func explainXDP(err error) error {
	why := ""
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		why = "the pod NIC's driver has no XDP"
	case errors.Is(err, unix.ERANGE):
		why = "the MTU of the pod NIC's other end is too large for it"
	case errors.Is(err, unix.ENOSPC):
		why = "the pod NIC has fewer receive queues than its other end has transmit queues"
	default:
		return err
	}
	return fmt.Errorf("%w: %s: use fastpath %s: %w", ErrUnsupported, why, FastpathTC, err)
}
