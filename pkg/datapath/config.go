// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
)

// Binding says how a guest's NIC is joined to its pod NIC.
type Binding string

const (
	// Masquerade puts the guest behind the pod's addresses: KubeVirt's `masquerade` binding.
	Masquerade Binding = "masquerade"
	// Bridge hands frames on untouched: KubeVirt's `bridge` binding.
	Bridge Binding = "bridge"
)

// Redirect says how a guest's packets leave the pod.
type Redirect string

const (
	// RedirectNeigh sends them through the pod NIC: bpf_redirect with the flow's next hop, bpf_redirect_neigh where that isn't known.
	RedirectNeigh Redirect = "neigh"
	// RedirectPeer hands them to the other end of the pod NIC, a veth, past the NIC's egress and the CPU's backlog:
	// bpf_redirect_peer. See docs/datapath.md for what that leaves out.
	RedirectPeer Redirect = "peer"
)

// Fastpath says where the packets of flows that are known already are dealt with.
type Fastpath string

const (
	// FastpathTC has all of them pass the kernel's stack, with its offloads.
	FastpathTC Fastpath = "tc"
	// FastpathXDP forwards single packets before the stack makes anything of them. See docs/datapath.md for what it costs.
	FastpathXDP Fastpath = "xdp"
)

// Defaults of KubeVirt's masquerade binding (pod.vmNetworkCIDR, pod.vmIPv6NetworkCIDR) and of Tapir.
var (
	DefaultCIDR4 = netip.MustParsePrefix("10.0.2.0/24")
	DefaultCIDR6 = netip.MustParsePrefix("fd10:0:2::/120")
	// GatewayMAC is the gateway's address on every masqueraded NIC, the same on every node, so that a
	// guest keeps its neighbour cache when it moves (KubeVirt: link.StaticMasqueradeBridgeMAC).
	GatewayMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0}
	// GatewayLinkLocal is the EUI-64 address of GatewayMAC: the source of router advertisements.
	GatewayLinkLocal = netip.MustParseAddr("fe80::ff:fe00:0")
)

// DefaultFlows is the size of a NIC's flow table: a cache, so it may be small.
const DefaultFlows = 16384

// Port is a port of the guest that is reachable from outside, as in interfaces[].ports.
type Port struct {
	Name     string `json:"name,omitempty"`
	Protocol string `json:"protocol"` // "tcp" or "udp"
	Port     uint16 `json:"port"`
}

// Config describes one guest NIC: the tap, the pod NIC that it is joined to, and how.
type Config struct {
	Name     string           `json:"name"`    // shown to people and in metrics; default: the tap's name
	NetNS    string           `json:"netns"`   // path of the pod's network namespace
	NIC      string           `json:"nic"`     // the pod's NIC, made by the CNI
	Tap      string           `json:"tap"`     // the guest's tap; made when missing
	Binding  Binding          `json:"binding"` // Masquerade
	Ports    []Port           `json:"ports,omitempty"`
	CIDR4    netip.Prefix     `json:"cidr4"`              // gateway is network+1, guest network+2
	CIDR6    netip.Prefix     `json:"cidr6"`              //
	MAC      net.HardwareAddr `json:"guestMAC,omitempty"` // nil: learnt from the guest's first frame
	MTU      int              `json:"mtu,omitempty"`      // 0: the pod NIC's
	Queues   int              `json:"queues"`             // of the tap, when it is made
	Flows    int              `json:"flows"`              // size of the flow table
	Redirect Redirect         `json:"redirect"`           // RedirectNeigh
	Fastpath Fastpath         `json:"fastpath"`           // FastpathTC
	TapUID   int              `json:"tapUID"`             // owner of a tap that is made: who may open it; -1: root
	TapGID   int              `json:"tapGID"`             //
}

// configJSON has the MAC as people write it; encoding/json would take its bytes for base64.
type configJSON struct {
	plainConfig
	MAC string `json:"guestMAC,omitempty"`
}

type plainConfig Config

// MarshalJSON implements json.Marshaler.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(configJSON{plainConfig(c), c.MAC.String()})
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Config) UnmarshalJSON(raw []byte) error {
	var in configJSON
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	*c = Config(in.plainConfig)
	if in.MAC == "" {
		return nil
	}
	mac, err := net.ParseMAC(in.MAC)
	if err != nil {
		return fmt.Errorf("guestMAC: %w", err)
	}
	c.MAC = mac
	return nil
}
