// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tapState is what Attach changes of a tap that was there, as it was before.
type tapState struct {
	MAC       string         `json:"mac"`
	MTU       int            `json:"mtu"`
	Up        bool           `json:"up"`
	Addresses []netip.Prefix `json:"addresses"`
	Sysctls   []sysctl       `json:"sysctls"`
}

func tapStateOf(tap *netlink.Tuntap) (*tapState, error) {
	sysctls, err := readSysctls(tapSysctls(tap.Name))
	if err != nil {
		return nil, err
	}
	addresses, err := addressesOf(tap)
	if err != nil {
		return nil, err
	}
	return &tapState{tap.HardwareAddr.String(), tap.MTU, tap.Attrs().Flags&net.FlagUp != 0, addresses, sysctls}, nil
}

// gateway lists the addresses that a tap has as the guest's gateway, with the length of their networks.
func (a Addresses) gateway() []netip.Prefix {
	var addrs []netip.Prefix
	if a.Gateway4.IsValid() {
		addrs = append(addrs, netip.PrefixFrom(a.Gateway4, a.Prefix4.Bits()))
	}
	if a.Gateway6.IsValid() {
		addrs = append(addrs, netip.PrefixFrom(a.Gateway6, a.Prefix6.Bits()), netip.PrefixFrom(GatewayLinkLocal, 64))
	}
	return addrs
}

// beGateway makes the tap look like the guest's gateway: its MAC and addresses, by netlink, so that the kernel
// answers ARP, neighbour solicitations and pings, and a pod process can reach the guest's private address.
func beGateway(tap *netlink.Tuntap, rec *record) error {
	if err := setLink(tap, GatewayMAC, rec.Constants.Addresses.MTU); err != nil {
		return err
	}
	has, err := addressesOf(tap)
	if err != nil {
		return err
	}
	wanted := rec.Constants.Addresses.gateway()
	for _, p := range wanted {
		if slices.Contains(has, p) {
			continue
		}
		addr := addrOfPrefix(p)
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(tap, addr); err != nil {
			return fmt.Errorf("giving %s the gateway's address %s: %w", tap.Name, p, err)
		}
	}
	var stale []netip.Prefix // of the network that the guest had before
	for _, p := range rec.Given {
		if !slices.Contains(wanted, p) {
			stale = append(stale, p)
		}
	}
	if err := takeAddresses(tap, stale); err != nil {
		return err
	}
	rec.Given = slices.DeleteFunc(rec.Given, func(p netip.Prefix) bool { return slices.Contains(stale, p) })
	return nil
}

func setUp(tap *netlink.Tuntap) error {
	if err := netlink.LinkSetUp(tap); err != nil {
		return fmt.Errorf("setting %s up: %w", tap.Name, err)
	}
	return nil
}

// restore makes a tap what it was before Attach.
func (s *tapState) restore(tap *netlink.Tuntap, given []netip.Prefix) error {
	mac, err := net.ParseMAC(s.MAC)
	if err != nil {
		return fmt.Errorf("restoring the MAC of %s: %w", tap.Name, err)
	}
	errs := []error{takeAddresses(tap, given), setLink(tap, mac, s.MTU)}
	if !s.Up {
		errs = append(errs, netlink.LinkSetDown(tap))
	}
	errs = append(errs, restoreSysctls(s.Sysctls))
	// Of its own, the kernel gives a device whose addr_gen_mode is set back a link-local address.
	has, err := addressesOf(tap)
	generated := slices.DeleteFunc(has, func(p netip.Prefix) bool {
		return !p.Addr().Is6() || !p.Addr().IsLinkLocalUnicast() || slices.Contains(s.Addresses, p)
	})
	return errors.Join(append(errs, err, takeAddresses(tap, generated))...)
}

func setLink(tap *netlink.Tuntap, mac net.HardwareAddr, mtu int) error {
	if tap.HardwareAddr.String() != mac.String() {
		if err := netlink.LinkSetHardwareAddr(tap, mac); err != nil {
			return fmt.Errorf("setting the MAC of %s to %s: %w", tap.Name, mac, err)
		}
	}
	if tap.MTU != mtu {
		if err := netlink.LinkSetMTU(tap, mtu); err != nil {
			return fmt.Errorf("setting the MTU of %s to %d: %w", tap.Name, mtu, err)
		}
	}
	return nil
}

// addressesOf lists a device's addresses of both families.
func addressesOf(link netlink.Link) ([]netip.Prefix, error) {
	addrs, err := netlinksafe.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of %s: %w", link.Attrs().Name, err)
	}
	var prefixes []netip.Prefix
	for _, addr := range addrs {
		ip, _ := netip.AddrFromSlice(addr.IP)
		bits, _ := addr.Mask.Size()
		prefixes = append(prefixes, netip.PrefixFrom(ip.Unmap(), bits))
	}
	return prefixes, nil
}

// takeAddresses takes addresses off a device; those that it doesn't have are no error.
func takeAddresses(link netlink.Link, given []netip.Prefix) error {
	var errs []error
	for _, p := range given {
		if err := netlink.AddrDel(link, addrOfPrefix(p)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, fmt.Errorf("taking %s off %s: %w", p, link.Attrs().Name, err))
		}
	}
	return errors.Join(errs...)
}

func addrOfPrefix(p netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
}
