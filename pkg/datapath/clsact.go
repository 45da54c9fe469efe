// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Handle and priority of Tapir's filters: fixed, so that a replacement takes the very slot of its predecessor.
const (
	filterHandle   = 1
	filterPriority = 0x7a9 // leaves room for a CNI's before and after
)

func (h *hook) filter() *netlink.BpfFilter {
	parent := uint32(netlink.HANDLE_MIN_INGRESS)
	if h.attach == ebpf.AttachTCXEgress {
		parent = netlink.HANDLE_MIN_EGRESS
	}
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: h.ifindex,
			Parent:    parent,
			Handle:    filterHandle,
			Priority:  filterPriority,
			Protocol:  unix.ETH_P_ALL,
		},
		Name:         h.name,
		DirectAction: true,
	}
}

// attachFilter is the fallback for kernels without TCX: a filter on the clsact qdisc, which the device holds, so there
// is nothing to pin. Replacing a filter swaps its program under RCU: no packet is missed.
func (h *hook) attachFilter() error {
	clsact := &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: h.ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT},
		QdiscType:  "clsact",
	}
	if err := netlink.QdiscAdd(clsact); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding a clsact qdisc: %w", err)
	}
	f := h.filter()
	f.Fd = h.program.FD()
	if err := netlink.FilterReplace(f); err != nil {
		return fmt.Errorf("adding a clsact filter: %w", err)
	}
	return nil
}

// removeFilter takes the filter away, and the qdisc when nothing else hangs on it. What is gone already is no error.
func (h *hook) removeFilter() error {
	err := netlink.FilterDel(h.filter())
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing the filter %s: %w", h.name, err)
	}
	if err != nil {
		return nil // no such filter: it was a TCX link
	}
	link, err := netlink.LinkByIndex(h.ifindex)
	if err != nil {
		return nil // the device went in the meantime
	}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		rest, err := netlink.FilterList(link, parent)
		if err != nil || len(rest) > 0 {
			return err
		}
	}
	clsact := &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: h.ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT},
		QdiscType:  "clsact",
	}
	if err := netlink.QdiscDel(clsact); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("removing the clsact qdisc: %w", err)
	}
	return nil
}
