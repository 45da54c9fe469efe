// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"net"
	"net/netip"
	"time"
)

// Lease is KubeVirt's: 999 days, for an address that never changes hands.
const Lease = 999 * 24 * time.Hour

// RouterLifetime is how long a guest keeps its default route without hearing another advertisement: the
// longest that RFC 8319 allows, because the gateway needs no process of ours to be there.
const RouterLifetime = 65535 * time.Second

// Route is a classless static route (option 121). An invalid Gateway means on-link (0.0.0.0).
type Route struct {
	Destination netip.Prefix
	Gateway     netip.Addr
}

// Common is what all three servers tell a guest.
type Common struct {
	ClientMAC net.HardwareAddr // of DHCPv4, the only one with a MAC in its messages; nil: any client is answered
	ServerMAC net.HardwareAddr // the gateway's: DUID-LL of DHCPv6, source (as link-local address) and link-layer option of the RA
	MTU       int              // bytes; 0: not told
	Hostname  string
	DNS       []netip.Addr // of both families; each server tells those it can
	Search    []string     // search domains
	Domain    string       // option 15; default: the longest search domain
	NTP       []netip.Addr
	Lease     time.Duration // 0: Lease
}

// Config4 is the one lease that a DHCPv4 server has, and what goes with it.
type Config4 struct {
	Common
	Address        netip.Prefix // the guest's address with its prefix length; /32 where the router is off-link
	Server         netip.Addr   // server identifier
	Router         netip.Addr   // invalid: none
	Routes         []Route      // the default route by Router is added, as option 121 makes a client ignore option 3
	TFTPServerName string
	BootFileName   string
	Private        map[uint8]string // options 224 to 254
}

// Config6 is the one lease that a DHCPv6 server has.
type Config6 struct {
	Common
	Address netip.Addr
}

// ConfigRA is what the router advertisements say.
type ConfigRA struct {
	Common
	Prefix         netip.Prefix  // advertised on-link; never autonomous, addresses come from DHCPv6
	RouterLifetime time.Duration // 0: RouterLifetime
}
