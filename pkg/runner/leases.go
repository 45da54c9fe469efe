// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"net/netip"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
)

// network is that of the guest behind a masqueraded NIC.
func network(a datapath.Addresses) dhcp.Network {
	n := dhcp.Network{
		Gateway4: a.Gateway4, Address6: a.Guest6, Prefix6: a.Prefix6,
		GatewayMAC: datapath.GatewayMAC, MTU: a.MTU,
	}
	if a.Guest4.IsValid() {
		n.Address4 = netip.PrefixFrom(a.Guest4, a.Prefix4.Bits())
	}
	return n
}
