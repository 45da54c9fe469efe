// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// maxMTU is the largest that an IP packet's length field allows.
const maxMTU = 65535

// check refuses what no server could tell a guest.
func (c *Common) check() error {
	if c.ClientMAC != nil && len(c.ClientMAC) != 6 {
		return fmt.Errorf("client MAC %q: give an Ethernet address of 6 bytes", c.ClientMAC)
	}
	if c.MTU < 0 || c.MTU > maxMTU {
		return fmt.Errorf("mtu %d: give 1 to %d, or 0 to leave it out", c.MTU, maxMTU)
	}
	// RFC 2131 section 3.3: 0xffffffff seconds stands for ever.
	if c.Lease != 0 && (c.Lease < time.Second || c.Lease/time.Second >= 1<<32-1) {
		return fmt.Errorf("lease time %v: give 1s to %v, or 0 for the default", c.Lease, Lease)
	}
	for _, address := range append(append([]netip.Addr{}, c.DNS...), c.NTP...) {
		if !address.IsValid() || address.IsUnspecified() || address.Is4In6() || address.Zone() != "" {
			return fmt.Errorf("server address %q: give the plain IPv4 or IPv6 address of a DNS or NTP server", address)
		}
	}
	if c.Hostname != "" {
		if err := checkName(c.Hostname); err != nil {
			return fmt.Errorf("host name: %w", err)
		}
	}
	if c.Domain != "" {
		if err := checkName(c.Domain); err != nil {
			return fmt.Errorf("domain: %w", err)
		}
	}
	for _, name := range c.Search {
		if err := checkName(name); err != nil {
			return fmt.Errorf("search domain: %w", err)
		}
	}
	return nil
}

// checkServerMAC refuses a MAC that can't stand in a DUID or a link-layer option.
func (c *Common) checkServerMAC() error {
	if len(c.ServerMAC) != 6 {
		return fmt.Errorf("server MAC %q: give the gateway's Ethernet address of 6 bytes", c.ServerMAC)
	}
	return nil
}

func (c *Common) lease() time.Duration {
	if c.Lease == 0 {
		return Lease
	}
	return c.Lease
}

// domain is the guest's own: in a pod's search list (NAMESPACE.svc.ZONE, svc.ZONE, ZONE) it is the longest.
func (c *Common) domain() string {
	domain := c.Domain
	for _, name := range c.Search {
		if c.Domain == "" && len(name) > len(domain) {
			domain = name
		}
	}
	return plainName(domain)
}

// family picks the addresses that are, by is, of one family.
func family(addresses []netip.Addr, is func(netip.Addr) bool) []netip.Addr {
	var picked []netip.Addr
	for _, address := range addresses {
		if is(address) {
			picked = append(picked, address)
		}
	}
	return picked
}

// ips are addresses of one family as the codecs of DHCP take them.
func ips(addresses []netip.Addr, is func(netip.Addr) bool) []net.IP {
	var converted []net.IP
	for _, address := range family(addresses, is) {
		converted = append(converted, address.AsSlice())
	}
	return converted
}
