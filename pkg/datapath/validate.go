// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

const (
	maxQueues = 256  // MAX_TAP_QUEUES in drivers/net/tun.c
	minMTU    = 576  // RFC 791: what every IPv4 host takes
	minMTU6   = 1280 // RFC 8200, section 5
	minFlows  = 64
	maxFlows  = 1 << 24
)

// complete fills in defaults and refuses what can't be.
func (c *Config) complete() error {
	if c.Binding == "" {
		c.Binding = Masquerade
	}
	if !c.CIDR4.IsValid() {
		c.CIDR4 = DefaultCIDR4
	}
	if !c.CIDR6.IsValid() {
		c.CIDR6 = DefaultCIDR6
	}
	if c.Name == "" {
		c.Name = c.Tap
	}
	c.Queues = max(c.Queues, 1)
	if c.Flows == 0 {
		c.Flows = DefaultFlows
	}
	if c.Redirect == "" {
		c.Redirect = RedirectNeigh
	}
	if c.Fastpath == "" {
		c.Fastpath = FastpathTC
	}
	switch {
	case c.Binding == Bridge:
		return fmt.Errorf("binding bridge is %w yet: use masquerade", ErrUnsupported)
	case c.Binding != Masquerade:
		return fmt.Errorf("%w: binding %q: want masquerade", ErrInvalid, c.Binding)
	case c.Redirect != RedirectNeigh && c.Redirect != RedirectPeer:
		return fmt.Errorf("%w: redirect %q: want %s or %s", ErrInvalid, c.Redirect, RedirectNeigh, RedirectPeer)
	case c.Fastpath != FastpathTC && c.Fastpath != FastpathXDP:
		return fmt.Errorf("%w: fastpath %q: want %s or %s", ErrInvalid, c.Fastpath, FastpathTC, FastpathXDP)
	case c.NetNS == "":
		return fmt.Errorf("%w: no network namespace given", ErrInvalid)
	case !validDevice(c.NIC):
		return fmt.Errorf("%w: pod NIC name %q: want 1 to 15 characters without space, slash, colon or %%", ErrInvalid, c.NIC)
	case !validDevice(c.Tap):
		return fmt.Errorf("%w: tap name %q: want 1 to 15 characters without space, slash, colon or %%", ErrInvalid, c.Tap)
	case c.NIC == c.Tap:
		return fmt.Errorf("%w: %s can't be pod NIC and tap at once", ErrInvalid, c.NIC)
	case !c.CIDR4.Addr().Is4():
		return fmt.Errorf("%w: %s is no IPv4 network", ErrInvalid, c.CIDR4)
	case !c.CIDR6.Addr().Is6() || c.CIDR6.Addr().Is4In6():
		return fmt.Errorf("%w: %s is no IPv6 network", ErrInvalid, c.CIDR6)
	case c.MTU != 0 && (c.MTU < minMTU || c.MTU > 65535):
		return fmt.Errorf("%w: mtu %d: want %d to 65535", ErrInvalid, c.MTU, minMTU)
	case c.Queues > maxQueues:
		return fmt.Errorf("%w: %d queues: a tap has %d at most", ErrInvalid, c.Queues, maxQueues)
	case c.Flows < minFlows || c.Flows > maxFlows:
		return fmt.Errorf("%w: %d flows: want %d to %d", ErrInvalid, c.Flows, minFlows, maxFlows)
	case c.MAC != nil && (len(c.MAC) != 6 || c.MAC[0]&1 != 0 || macWord(c.MAC) == 0):
		return fmt.Errorf("%w: guest MAC %s: want a unicast address of 6 bytes", ErrInvalid, c.MAC)
	case bytes.Equal(c.MAC, GatewayMAC):
		return fmt.Errorf("%w: guest MAC %s is the gateway's", ErrInvalid, c.MAC)
	}
	for _, cidr := range []netip.Prefix{c.CIDR4, c.CIDR6} {
		if err := validCIDR(cidr); err != nil {
			return err
		}
	}
	for _, p := range c.Ports {
		if err := p.validate(); err != nil {
			return err
		}
	}
	return nil
}

// validCIDR refuses what has no room for a gateway and a guest, or can't be routed.
func validCIDR(cidr netip.Prefix) error {
	if cidr.Addr().BitLen()-cidr.Bits() < 2 {
		return fmt.Errorf("%w: %s has no room for a gateway and a guest (at least 2 host bits)", ErrInvalid, cidr)
	}
	_, gateway, _ := guestNetwork(cidr)
	if gateway.IsLoopback() || gateway.IsMulticast() || gateway.Is6() && gateway.IsLinkLocalUnicast() {
		return fmt.Errorf("%w: %s can't be routed: choose a private network", ErrInvalid, cidr)
	}
	return nil
}

// validDevice is dev_valid_name of net/core/dev.c, without % which makes a name a pattern where a device is made.
func validDevice(name string) bool {
	if name == "" || len(name) > 15 || name == "." || name == ".." {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/:%", r) })
}
