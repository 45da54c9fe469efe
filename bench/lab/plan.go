// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net"
	"net/netip"
)

// Names of the links that a datapath joins, in the pod's namespace.
const (
	NIC = "eth0"
	Tap = "tap0"
)

// CNI is the other end of the pod's NIC.
const CNI = "cni0"

// The addresses of every lab. MACs are fixed so that packet generators needn't ask for them.
var (
	Peer    = netip.MustParsePrefix("10.244.1.1/24")
	Pod     = netip.MustParsePrefix("10.244.1.5/24")
	PeerMAC = net.HardwareAddr{0x02, 0xbe, 0, 0, 0, 1}
	PodMAC  = net.HardwareAddr{0x02, 0xbe, 0, 0, 0, 5}
)

// A Guest is who stands behind the tap.
type Guest struct {
	Address    netip.Prefix
	Gateway    netip.Addr
	MAC        net.HardwareAddr
	GatewayMAC net.HardwareAddr
}

// Masqueraded is a guest with a private address: KubeVirt's defaults.
var Masqueraded = Guest{
	Address:    netip.MustParsePrefix("10.0.2.2/24"),
	Gateway:    netip.MustParseAddr("10.0.2.1"),
	MAC:        net.HardwareAddr{0x02, 0xf0, 0x0d, 0, 0, 1},
	GatewayMAC: net.HardwareAddr{0x02, 0, 0, 0, 0, 0},
}

// Bridged is a guest with the pod NIC's own addresses.
var Bridged = Guest{Address: Pod, Gateway: Peer.Addr(), MAC: PodMAC, GatewayMAC: PeerMAC}

// GatewayPrefix is the gateway's address in the guest's network.
func (g Guest) GatewayPrefix() netip.Prefix { return netip.PrefixFrom(g.Gateway, g.Address.Bits()) }
