// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/containernetworking/plugins/pkg/netlinksafe"
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

func clsact(ifindex int) netlink.Qdisc {
	return &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT},
		QdiscType:  "clsact",
	}
}

// attachFilter is the fallback for kernels without TCX: a filter on the clsact qdisc, which the device holds, so there
// is nothing to pin. Replacing a filter swaps its program under RCU: no packet is missed.
func (h *hook) attachFilter(key string, rec *record, program *ebpf.Program) error {
	if err := h.ensureClsact(key, rec); err != nil {
		return err
	}
	f := h.filter()
	f.Fd = program.FD()
	if err := netlink.FilterReplace(f); err != nil {
		return fmt.Errorf("adding a clsact filter: %w", err)
	}
	return nil
}

// ensureClsact adds the qdisc where it is missing, and writes down first that it is ours to remove.
func (h *hook) ensureClsact(key string, rec *record) error {
	device, err := h.device()
	if device == nil {
		return errors.Join(err, unix.ENODEV)
	}
	qdiscs, err := netlinksafe.QdiscList(device)
	if err != nil {
		return fmt.Errorf("listing qdiscs: %w", err)
	}
	if slices.ContainsFunc(qdiscs, func(q netlink.Qdisc) bool { return q.Type() == "clsact" }) {
		return nil
	}
	rec.Qdiscs = append(rec.Qdiscs, h.ifindex)
	if err := rec.write(key); err != nil {
		return err
	}
	if err := netlink.QdiscAdd(clsact(h.ifindex)); err != nil {
		return fmt.Errorf("adding a clsact qdisc: %w", err)
	}
	return nil
}

// device finds the hook's device; nil when it is gone, or was never made.
func (h *hook) device() (netlink.Link, error) {
	if h.ifindex == 0 {
		return nil, nil
	}
	device, err := netlink.LinkByIndex(h.ifindex)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding device %d: %w", h.ifindex, err)
	}
	return device, nil
}

// hasFilter tells whether Tapir's filter is there.
func (h *hook) hasFilter() (bool, error) {
	device, err := h.device()
	if device == nil {
		return false, err
	}
	filters, err := netlinksafe.FilterList(device, h.filter().Parent)
	if err != nil {
		return false, fmt.Errorf("listing filters of %s: %w", device.Attrs().Name, err)
	}
	return slices.ContainsFunc(filters, h.owns), nil
}

func (h *hook) owns(f netlink.Filter) bool {
	bpf, ok := f.(*netlink.BpfFilter)
	return ok && bpf.Name == h.name && bpf.Handle == filterHandle && bpf.Priority == filterPriority
}

// removeFilter takes the filter away, and the qdisc where it is ours and nothing else hangs on it.
func (h *hook) removeFilter(rec *record) error {
	found, err := h.hasFilter()
	if err != nil {
		return err
	}
	if found {
		if err := netlink.FilterDel(h.filter()); err != nil {
			return fmt.Errorf("removing the clsact filter: %w", err)
		}
	}
	if !slices.Contains(rec.Qdiscs, h.ifindex) {
		return nil
	}
	device, err := h.device()
	if device == nil {
		return err
	}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		rest, err := netlinksafe.FilterList(device, parent)
		if err != nil || len(rest) > 0 {
			return err
		}
	}
	if err := netlink.QdiscDel(clsact(h.ifindex)); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("removing the clsact qdisc of %s: %w", device.Attrs().Name, err)
	}
	return nil
}
