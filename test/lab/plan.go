// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"strings"
)

// plan is who has which address. IPv4 comes first in every list, IPv6 is there in a dual-stack lab only.
type plan struct{ dualStack bool }

// apiService is the first address of the Services' network, which Kubernetes gives to the API server's own.
const apiService = "10.96.0.1"

func (p plan) families(ipv4, ipv6 string) []string {
	if p.dualStack {
		return []string{ipv4, ipv6}
	}
	return []string{ipv4}
}

// controlPlane is the API server's addresses on the switch; node is a node's. Nodes count from 1.
func (p plan) controlPlane() []string { return p.families("172.30.0.1", "fd30::1") }

func (p plan) node(i int) []string {
	return p.families(fmt.Sprintf("172.30.0.%d", 10+i), fmt.Sprintf("fd30::%d", 10+i))
}

// lan is the network that an address on the switch lies in.
func (p plan) lan(address string) *net.IPNet {
	bits := 24
	if strings.Contains(address, ":") {
		bits = 64
	}
	return network(fmt.Sprintf("%s/%d", address, bits))
}

func (p plan) pods() []string     { return p.families("10.244.0.0/16", "fd10:244::/56") }
func (p plan) services() []string { return p.families("10.96.0.0/16", "fd10:96::/112") }

// nodePods is the networks of a node's pods.
func (p plan) nodePods(i int) []string {
	return p.families(fmt.Sprintf("10.244.%d.0/24", i), fmt.Sprintf("fd10:244:0:%d::/64", i))
}

// network is an address with its mask. Its string is one of the plan's own.
func network(cidr string) *net.IPNet {
	ip, ipnet, err := net.ParseCIDR(cidr)
	if err != nil {
		panic(err)
	}
	return &net.IPNet{IP: ip, Mask: ipnet.Mask}
}
