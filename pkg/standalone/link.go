// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// minMTU is the least that IPv6 works with (RFC 8200 section 5). Over a narrower uplink, path MTU discovery
// does the rest.
const minMTU = 1280

// uplinkMTU is the MTU of the device that most packets leave by, so that guests needn't discover it:
// that of the host's default route; 1500 without one.
func uplinkMTU() (int, error) {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := netlinksafe.RouteList(nil, family)
		if err != nil {
			return 0, fmt.Errorf("list the host's routes: %w", err)
		}
		for _, route := range routes {
			if to := prefix(route.Dst); to.IsValid() && to.Bits() > 0 {
				continue
			}
			index := route.LinkIndex
			if len(route.MultiPath) > 0 {
				index = route.MultiPath[0].LinkIndex
			}
			if link, err := netlink.LinkByIndex(index); err == nil {
				return max(link.Attrs().MTU, minMTU), nil
			}
		}
	}
	return 1500, nil
}

// connect makes the pair of veths between host and pod, and the way between them.
func (p *Pod) connect() error {
	pod, err := ns.GetNS(p.NetNS)
	if err != nil {
		return fmt.Errorf("open the pod's network namespace: %w", err)
	}
	defer pod.Close()

	podMAC, hostMAC := macs(p.Namespace, p.Name)
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = p.HostNIC, p.MTU, hostMAC
	veth := netlink.NewVeth(attributes)
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr = NIC, uint32(p.MTU), podMAC
	veth.PeerNamespace = netlink.NsFd(int(pod.Fd()))
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("make veth %s: %w", p.HostNIC, err)
	}
	// Seen by `ip link`; of no other use.
	if err := netlink.LinkSetAlias(veth, "Tapir pod "+p.String()); err != nil {
		return fmt.Errorf("describe %s: %w", p.HostNIC, err)
	}
	if err := p.guardHostNIC(); err != nil {
		return err
	}
	// The pod's end comes up first: an address on the host's end, without a carrier, would not be usable at
	// once.
	err = pod.Do(func(ns.NetNS) error { return p.setUpPod() })
	if err != nil {
		return fmt.Errorf("set up %s in the pod: %w", NIC, err)
	}
	if err := p.setUpHostNIC(veth); err != nil {
		return fmt.Errorf("set up %s: %w", p.HostNIC, err)
	}
	return pod.Do(func(ns.NetNS) error { return p.routePod() })
}

// guardHostNIC makes the host accept nothing from a pod but packets: no foreign IPv4 source, no router
// advertisement. Forwarding is enabled by name for hosts whose default for new devices is off.
func (p *Pod) guardHostNIC() error {
	settings := [][2]string{{"ipv4/conf/%s/rp_filter", "1"}, {"ipv4/conf/%s/forwarding", "1"}}
	if p.Address6.IsValid() {
		settings = append(settings,
			[2]string{"ipv6/conf/%s/accept_ra", "0"},
			[2]string{"ipv6/conf/%s/accept_dad", "0"},
			[2]string{"ipv6/conf/%s/forwarding", "1"})
	}
	for _, s := range settings {
		if err := setSysctl("net/"+fmt.Sprintf(s[0], p.HostNIC), s[1]); err != nil {
			return err
		}
	}
	return nil
}

// setUpPod runs in the pod's namespace.
func (p *Pod) setUpPod() error {
	for _, name := range []string{"lo", NIC} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		if name == NIC && p.Address6.IsValid() {
			err := errors.Join(
				setSysctl("net/ipv6/conf/"+NIC+"/accept_dad", "0"),
				setSysctl("net/ipv6/conf/"+NIC+"/accept_ra", "0"))
			if err != nil {
				return err
			}
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("bring %s up: %w", name, err)
		}
	}
	return nil
}

// setUpHostNIC gives the host's end the gateway addresses, and routes the pod's addresses to it.
func (p *Pod) setUpHostNIC(link netlink.Link) error {
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring it up: %w", err)
	}
	for _, pair := range [][2]netip.Addr{{p.Gateway4, p.Address4}, {p.Gateway6, p.Address6}} {
		own, remote := pair[0], pair[1]
		if !remote.IsValid() {
			continue
		}
		if err := addAddress(link, own, netlink.SCOPE_LINK); err != nil {
			return err
		}
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: single(remote), Scope: netlink.SCOPE_LINK}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("route %s to it: %w", remote, err)
		}
	}
	return nil
}

// routePod runs in the pod's namespace: its addresses, and the way out.
func (p *Pod) routePod() error {
	link, err := netlink.LinkByName(NIC)
	if err != nil {
		return fmt.Errorf("find %s in the pod: %w", NIC, err)
	}
	for _, pair := range [][2]netip.Addr{{p.Address4, p.Gateway4}, {p.Address6, p.Gateway6}} {
		own, remote := pair[0], pair[1]
		if !own.IsValid() {
			continue
		}
		if err := addAddress(link, own, netlink.SCOPE_UNIVERSE); err != nil {
			return fmt.Errorf("in the pod: %w", err)
		}
		everything := netip.PrefixFrom(own, 0).Masked()
		route := &netlink.Route{
			LinkIndex: link.Attrs().Index,
			Dst:       ipNet(everything),
			Gw:        net.IP(remote.AsSlice()),
			Flags:     int(netlink.FLAG_ONLINK),
		}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("in the pod: add the default route via %s: %w", remote, err)
		}
	}
	return nil
}

// addAddress gives a link a single address. A gateway's has link scope: the host never takes it as the
// source of packets that leave by another device. IPv6 ones are usable at once.
func addAddress(link netlink.Link, address netip.Addr, scope netlink.Scope) error {
	a := &netlink.Addr{IPNet: single(address)}
	if address.Is4() {
		a.Scope = int(scope)
	} else {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		return fmt.Errorf("add address %s: %w", address, err)
	}
	return nil
}

// disconnect deletes both veths, and with them their addresses, routes and settings.
func (p *Pod) disconnect() error {
	link, err := netlinksafe.LinkByName(p.HostNIC)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	var gone netlink.LinkNotFoundError
	if err == nil || errors.As(err, &gone) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("delete veth %s: %w", p.HostNIC, err)
}
