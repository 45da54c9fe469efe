// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"net"
	"net/netip"
	"slices"
)

// FallbackDNS is what KubeVirt tells a guest when it finds no name server.
var FallbackDNS = netip.MustParseAddr("8.8.8.8")

// Network is that of a guest behind a gateway. A family that it lacks has the zero Address.
type Network struct {
	Address4   netip.Prefix // the guest's, with the length of its network
	Gateway4   netip.Addr
	Address6   netip.Addr
	Prefix6    netip.Prefix // on-link
	GatewayMAC net.HardwareAddr
	MTU        int // bytes
}

// Leases says what the guest is told about its addresses. c holds the rest: host name, name servers, and so on. A
// family that the network lacks gets no server: nil.
func (n Network) Leases(c Config4) (*Config4, *Config6, *ConfigRA) {
	c.ServerMAC, c.MTU = n.GatewayMAC, n.MTU
	var v4 *Config4
	if n.Address4.IsValid() {
		c.Address, c.Server, c.Router = n.Address4, n.Gateway4, n.Gateway4
		v4 = &c
	}
	if !n.Address6.IsValid() {
		return v4, nil, nil
	}
	return v4, &Config6{Common: c.Common, Address: n.Address6}, &ConfigRA{Common: c.Common, Prefix: n.Prefix6}
}

// Domain is the guest's own: its subdomain goes before the longest search domain, as in a cluster. "" when there is no
// subdomain, or no search domain.
func Domain(subdomain string, search []string) string {
	if subdomain == "" || len(search) == 0 {
		return ""
	}
	longest := slices.MaxFunc(search, func(a, b string) int { return len(a) - len(b) })
	return subdomain + "." + longest
}
