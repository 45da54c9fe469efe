// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// peerObstacle says why packets must not leave by bpf_redirect_peer; nil where they may. That way past the pod NIC's
// egress is for a veth whose other end is in another namespace (the kernel drops what has nowhere to go), and which has
// on it nothing that was meant to see, count, delay or stop the guest's packets. Netkit is refused for the same reason:
// its policy runs when the pod's end transmits. egress is the hook that is Tapir's, dir where its link is pinned.
func peerObstacle(nic netlink.Link, egress hook, dir string) error {
	name := nic.Attrs().Name
	switch {
	case nic.Type() != "veth":
		return fmt.Errorf("%s is a %s, not a veth", name, nic.Type())
	case nic.Attrs().NetNsID < 0:
		return fmt.Errorf("the other end of %s is in the pod's namespace, too", name)
	}
	if err := egressObstacle(nic, egress, dir); err != nil {
		return err
	}
	return farXDP(nic)
}

// egressObstacle finds what is on a device's egress and not Tapir's, which packets that leave past it would miss.
func egressObstacle(nic netlink.Link, egress hook, dir string) error {
	if err := foreignQdisc(nic); err != nil {
		return err
	}
	if err := foreignFilter(nic, &egress); err != nil {
		return err
	}
	return foreignTCX(nic, &egress, dir)
}

// foreignQdisc finds what queues or shapes. A veth has none of it by itself.
func foreignQdisc(nic netlink.Link) error {
	qdiscs, err := netlinksafe.QdiscList(nic)
	if err != nil {
		return fmt.Errorf("listing qdiscs: %w", err)
	}
	for _, q := range qdiscs {
		switch q.Type() {
		case "noqueue", "clsact", "ingress":
		default:
			return fmt.Errorf("%s has a %s qdisc, which would be bypassed", nic.Attrs().Name, q.Type())
		}
	}
	return nil
}

func foreignFilter(nic netlink.Link, egress *hook) error {
	filters, err := netlinksafe.FilterList(nic, egress.filter().Parent)
	if err != nil {
		return fmt.Errorf("listing filters of %s: %w", nic.Attrs().Name, err)
	}
	for _, f := range filters {
		if !egress.owns(f) {
			return fmt.Errorf("%s has a %s filter (tc priority %d) on its egress, which would be bypassed",
				nic.Attrs().Name, f.Type(), f.Attrs().Priority)
		}
	}
	return nil
}

func foreignTCX(nic netlink.Link, egress *hook, dir string) error {
	there, err := link.QueryPrograms(link.QueryOptions{Target: nic.Attrs().Index, Attach: egress.attach})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) { // a kernel before 6.6
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing programs of %s: %w", nic.Attrs().Name, err)
	}
	var ours link.ID
	if info, err := linkInfo(egress.pin(dir)); err == nil {
		ours = info.ID
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, p := range there.Programs {
		if id, ok := p.LinkID(); !ok || id != ours {
			return fmt.Errorf("%s has program %d on its egress (`bpftool net`), which would be bypassed", nic.Attrs().Name, p.ID)
		}
	}
	return nil
}

// farXDP looks whether the veth's other end runs XDP in its driver: that takes what comes from the veth, and not what
// is handed past it. (A generic XDP program sees either.)
func farXDP(nic netlink.Link) error {
	far, err := farEnd(nic)
	if err != nil {
		return err
	}
	if xdp := far.Attrs().Xdp; xdp != nil && xdp.Attached && xdp.AttachMode != nl.XDP_ATTACHED_SKB {
		return fmt.Errorf("the other end of %s (%s) has an XDP program, which would be bypassed", nic.Attrs().Name, far.Attrs().Name)
	}
	return nil
}

// farEnd looks at a veth's other end, in another namespace.
func farEnd(nic netlink.Link) (netlink.Link, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index = int32(nic.Attrs().ParentIndex)
	request.AddData(about)
	request.AddData(nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(nic.Attrs().NetNsID))))
	replies, err := request.Execute(unix.NETLINK_ROUTE, 0)
	if err == nil && len(replies) != 1 {
		err = fmt.Errorf("%d replies", len(replies))
	}
	if err != nil {
		return nil, fmt.Errorf("looking at the other end of %s: %w", nic.Attrs().Name, err)
	}
	far, err := netlink.LinkDeserialize(nil, replies[0])
	if err != nil {
		return nil, fmt.Errorf("looking at the other end of %s: %w", nic.Attrs().Name, err)
	}
	return far, nil
}
