// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
)

// mirred is what Kata Containers (tcfilter) and tc-redirect-tap do: a filter that matches everything sends
// each of the two devices' frames out of the other.
type mirred struct{}

func (mirred) Name() string  { return "mirred" }
func (mirred) About() string { return "Kata's tcfilter, tc-redirect-tap: u32 and mirred, no NAT" }

func (mirred) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	guest := lab.Bridged
	return &guest, network.Pod.Run(func() error {
		nic, err := netlink.LinkByName(lab.NIC)
		if err != nil {
			return fmt.Errorf("finding %s: %w", lab.NIC, err)
		}
		tap, err := lab.AddTap(c.MTU)
		if err != nil {
			return err
		}
		if err := redirect(nic, tap); err != nil {
			return err
		}
		return redirect(tap, nic)
	})
}

func redirect(from, to netlink.Link) error {
	index := from.Attrs().Index
	err := netlink.QdiscAdd(&netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Parent: netlink.HANDLE_INGRESS,
	}})
	if err != nil {
		return fmt.Errorf("adding an ingress qdisc to %s: %w", from.Attrs().Name, err)
	}
	err = netlink.FilterAdd(&netlink.U32{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: index, Parent: netlink.MakeHandle(0xffff, 0), Protocol: unix.ETH_P_ALL,
		},
		Actions: []netlink.Action{&netlink.MirredAction{
			ActionAttrs:  netlink.ActionAttrs{Action: netlink.TC_ACT_STOLEN},
			MirredAction: netlink.TCA_EGRESS_REDIR,
			Ifindex:      to.Attrs().Index,
		}},
	})
	if err != nil {
		return fmt.Errorf("redirecting %s to %s: %w", from.Attrs().Name, to.Attrs().Name, err)
	}
	return nil
}
