// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Addresses are those that a NIC's datapath translates between. Those of a family that the pod doesn't have are the
// zero Addr.
type Addresses struct {
	Pod4     netip.Addr   `json:"pod4"`
	Guest4   netip.Addr   `json:"guest4"`
	Gateway4 netip.Addr   `json:"gateway4"`
	Prefix4  netip.Prefix `json:"prefix4"`
	Pod6     netip.Addr   `json:"pod6"`
	Guest6   netip.Addr   `json:"guest6"`
	Gateway6 netip.Addr   `json:"gateway6"`
	Prefix6  netip.Prefix `json:"prefix6"`
	MTU      int          `json:"mtu"`
}

// guestNetwork splits a CIDR as KubeVirt does: gateway = network+1, guest = network+2.
func guestNetwork(cidr netip.Prefix) (prefix netip.Prefix, gateway, guest netip.Addr) {
	prefix = cidr.Masked()
	gateway = prefix.Addr().Next()
	return prefix, gateway, gateway.Next()
}

// findAddresses reads the pod NIC. As in KubeVirt a family counts when the NIC has a global unicast address of it.
func findAddresses(cfg *Config, nic netlink.Link) (*Addresses, error) {
	if nic.Attrs().EncapType != "ether" {
		return nil, fmt.Errorf("%w: %s is no Ethernet device", ErrInvalid, cfg.NIC)
	}
	a := &Addresses{MTU: nic.Attrs().MTU}
	if cfg.MTU != 0 {
		if cfg.MTU > a.MTU {
			return nil, fmt.Errorf("%w: mtu %d is larger than %s has (%d)", ErrInvalid, cfg.MTU, cfg.NIC, a.MTU)
		}
		a.MTU = cfg.MTU
	}
	addrs, err := addressesOf(nic)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		ip := addr.Addr()
		if !ip.IsGlobalUnicast() {
			continue
		}
		if ip.Is4() && !a.Pod4.IsValid() {
			a.Pod4 = ip
		} else if ip.Is6() && !a.Pod6.IsValid() {
			a.Pod6 = ip
		}
	}
	if !a.Pod4.IsValid() && !a.Pod6.IsValid() {
		return nil, fmt.Errorf("%w: %s has no global address: wait for the CNI, or give it one", ErrInvalid, cfg.NIC)
	}
	if a.Pod4.IsValid() {
		a.Prefix4, a.Gateway4, a.Guest4 = guestNetwork(cfg.CIDR4)
	}
	if a.Pod6.IsValid() {
		a.Prefix6, a.Gateway6, a.Guest6 = guestNetwork(cfg.CIDR6)
		if a.MTU < minMTU6 {
			return nil, fmt.Errorf("%w: mtu %d is too small for the pod's IPv6, which needs %d", ErrInvalid, a.MTU, minMTU6)
		}
	}
	for _, clash := range []struct {
		pod    netip.Addr
		prefix netip.Prefix
	}{{a.Pod4, a.Prefix4}, {a.Pod6, a.Prefix6}} {
		if clash.pod.IsValid() && clash.prefix.Contains(clash.pod) {
			return nil, fmt.Errorf("%w: the guest's network %s holds the pod's address %s: choose another with --cidr, --cidr6 or vmNetworkCIDR",
				ErrInvalid, clash.prefix, clash.pod)
		}
	}
	return a, nil
}
