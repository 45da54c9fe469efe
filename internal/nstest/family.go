// SPDX-License-Identifier: Apache-2.0

package nstest

import "net/netip"

// A Family is one address family's plan of the network that NewTopology makes.
type Family struct {
	Name     string // "v4" or "v6"
	Loopback netip.Addr

	Guest, Gateway netip.Prefix // the masqueraded network: KubeVirt's defaults
	Pod, Node      netip.Prefix // the pod's NIC and its CNI gateway
	Client         netip.Prefix // a host next to the node
	Far            netip.Prefix // a host behind the narrow wire; so are the addresses after it

	clientRouter, farRouter netip.Prefix // the node's ends of those two links
	everything              netip.Prefix
}

// IPv4 and IPv6 are the two plans; both are in use at once.
var (
	IPv4 = Family{
		Name:         "v4",
		Loopback:     netip.MustParseAddr("127.0.0.1"),
		Guest:        netip.MustParsePrefix("10.0.2.2/24"),
		Gateway:      netip.MustParsePrefix("10.0.2.1/24"),
		Pod:          netip.MustParsePrefix("10.244.1.5/24"),
		Node:         netip.MustParsePrefix("10.244.1.1/24"),
		Client:       netip.MustParsePrefix("192.0.2.10/24"),
		Far:          netip.MustParsePrefix("198.51.100.10/24"),
		clientRouter: netip.MustParsePrefix("192.0.2.1/24"),
		farRouter:    netip.MustParsePrefix("198.51.100.1/24"),
		everything:   netip.MustParsePrefix("0.0.0.0/0"),
	}
	IPv6 = Family{
		Name:         "v6",
		Loopback:     netip.MustParseAddr("::1"),
		Guest:        netip.MustParsePrefix("fd10:0:2::2/120"),
		Gateway:      netip.MustParsePrefix("fd10:0:2::1/120"),
		Pod:          netip.MustParsePrefix("2001:db8:244:1::5/64"),
		Node:         netip.MustParsePrefix("2001:db8:244:1::1/64"),
		Client:       netip.MustParsePrefix("2001:db8:2::10/64"),
		Far:          netip.MustParsePrefix("2001:db8:51::10/64"),
		clientRouter: netip.MustParsePrefix("2001:db8:2::1/64"),
		farRouter:    netip.MustParsePrefix("2001:db8:51::1/64"),
		everything:   netip.MustParsePrefix("::/0"),
	}
)
