// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"net/netip"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
)

// leases says what the guest behind a masqueraded NIC is told about its addresses. c holds the rest:
// host name, name servers, and so on. A family that the pod lacks gets no server.
func leases(a datapath.Addresses, c dhcp.Config4) (*dhcp.Config4, *dhcp.Config6, *dhcp.ConfigRA) {
	c.ServerMAC, c.MTU = datapath.GatewayMAC, a.MTU
	var v4 *dhcp.Config4
	if a.Guest4.IsValid() {
		c.Address = netip.PrefixFrom(a.Guest4, a.Prefix4.Bits())
		c.Server, c.Router = a.Gateway4, a.Gateway4
		v4 = &c
	}
	if !a.Guest6.IsValid() {
		return v4, nil, nil
	}
	return v4,
		&dhcp.Config6{Common: c.Common, Address: a.Guest6},
		&dhcp.ConfigRA{Common: c.Common, Prefix: a.Prefix6}
}
