// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
)

// connect makes the veth pair between peer and pod, as a CNI plugin does.
func (n *Network) connect() error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = CNI, n.MTU, PeerMAC
	veth := netlink.NewVeth(attributes)
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr = NIC, uint32(n.MTU), PodMAC
	veth.PeerNamespace = netlink.NsFd(int(n.Pod.Fd()))
	if err := n.Peer.Run(func() error { return netlink.LinkAdd(veth) }); err != nil {
		return fmt.Errorf("making a pair of veths: %w", err)
	}
	err := n.Pod.onLink(NIC, "asking for its index", func(l netlink.Link) error {
		n.nic = l.Attrs().Index
		return nil
	})
	return errors.Join(err,
		n.Peer.up(CNI), n.Pod.up(NIC),
		n.Peer.address(CNI, Peer), n.Pod.address(NIC, Pod),
		n.Pod.defaultRoute(Peer.Addr()))
}

// NICName is what the pod's NIC is called now: KubeVirt's bridge binding gives its name to another link.
func (n *Network) NICName() (name string, err error) {
	err = n.Pod.Run(func() error {
		l, err := netlink.LinkByIndex(n.nic)
		if err != nil {
			return fmt.Errorf("finding the pod's NIC: %w", err)
		}
		name = l.Attrs().Name
		return nil
	})
	return name, err
}

func (n *Namespace) up(link string) error {
	return n.onLink(link, "bringing it up", netlink.LinkSetUp)
}

func (n *Namespace) address(link string, prefix netip.Prefix) error {
	return n.onLink(link, "giving it "+prefix.String(), func(l netlink.Link) error {
		mask := net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())
		return netlink.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: mask}})
	})
}

func (n *Namespace) defaultRoute(via netip.Addr) error {
	err := n.Run(func() error { return netlink.RouteAdd(&netlink.Route{Gw: via.AsSlice()}) })
	if err != nil {
		return fmt.Errorf("adding a default route via %s: %w", via, err)
	}
	return nil
}

func (n *Namespace) onLink(link, what string, f func(netlink.Link) error) error {
	err := n.Run(func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		return f(l)
	})
	if err != nil {
		return fmt.Errorf("link %s: %s: %w", link, what, err)
	}
	return nil
}

// Poll switches on GRO of a veth: it then polls, and takes frames that XDP redirects to its other end.
func (n *Namespace) Poll(link string) error {
	err := n.Run(func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		return tool.Change(link, map[string]bool{"rx-gro": true})
	})
	if err != nil {
		return fmt.Errorf("switching on GRO of %s: %w", link, err)
	}
	return nil
}

// Statistics are a link's.
func (n *Namespace) Statistics(link string) (s netlink.LinkStatistics, err error) {
	err = n.onLink(link, "reading its statistics", func(l netlink.Link) error {
		s = *l.Attrs().Statistics
		return nil
	})
	return s, err
}

// carrierPatience is far more than the kernel takes: it handles changes of carrier at least once a second.
const carrierPatience = 15 * time.Second

// awaitCarrier waits until frames leave by a tap that was opened.
func (n *Namespace) awaitCarrier(ctx context.Context, link string) error {
	ctx, cancel := context.WithTimeout(ctx, carrierPatience)
	defer cancel()
	for {
		up := false
		err := n.onLink(link, "waiting for its carrier", func(l netlink.Link) error {
			up = l.Attrs().OperState == netlink.OperUp
			return nil
		})
		if err != nil || up {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("link %s has no carrier: %w", link, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
