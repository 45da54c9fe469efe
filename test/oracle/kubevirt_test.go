// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
)

const bridgeName = "k6t-eth0"

// attachKubeVirt makes what KubeVirt (1.8 and later) makes for its masquerade binding: a bridge that is the guest's
// gateway, the tap in it, and nftables rules. See pkg/network/setup/netpod in kubevirt/kubevirt.
func attachKubeVirt(t *testing.T, network *nstest.Topology, ports []declaration) {
	network.Pod.Must(t, bridgeWithTap)
	network.Pod.Address(t, bridgeName, nstest.IPv4.Gateway, nstest.IPv6.Gateway)
	network.Pod.Up(t, "tap0")
	network.Pod.Up(t, bridgeName)
	network.Pod.Sysctl(t, "net/ipv4/ip_forward", "1")
	network.Pod.Sysctl(t, "net/ipv6/conf/all/forwarding", "1")
	network.Pod.Sysctl(t, "net/ipv4/conf/"+bridgeName+"/route_localnet", "1")

	rules := masqueradeRules("ip", nstest.IPv4, ports) + masqueradeRules("ip6", nstest.IPv6, ports)
	network.Pod.Must(t, func() error {
		nft := exec.Command("nft", "-f", "-")
		nft.Stdin = strings.NewReader(rules)
		if output, err := nft.CombinedOutput(); err != nil {
			return fmt.Errorf("loading nftables rules: %w: %s", err, output)
		}
		return nil
	})
}

func bridgeWithTap() error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = bridgeName, nstest.MTU
	attributes.HardwareAddr = []byte{0x02, 0, 0, 0, 0, 0}
	bridge := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("adding bridge: %w", err)
	}
	attributes = netlink.NewLinkAttrs()
	attributes.Name = "tap0"
	tap := &netlink.Tuntap{
		LinkAttrs: attributes,
		Mode:      netlink.TUNTAP_MODE_TAP,
		Flags:     netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR,
	}
	if err := netlink.LinkAdd(tap); err != nil {
		return fmt.Errorf("adding tap: %w", err)
	}
	return netlink.LinkSetMaster(tap, bridge)
}

// masqueradeRules are KubeVirt's for one family ("ip" or "ip6"), in the order in which it adds them.
func masqueradeRules(family string, plan nstest.Family, ports []declaration) string {
	var b strings.Builder
	rule := func(format string, arguments ...any) { fmt.Fprintf(&b, format+"\n", arguments...) }
	guest, gateway := plan.Guest.Addr(), plan.Gateway.Addr()

	rule("table %s nat {", family)
	rule("chain prerouting { type nat hook prerouting priority -100; }")
	rule("chain input { type nat hook input priority 100; }")
	rule("chain output { type nat hook output priority -100; }")
	rule("chain postrouting { type nat hook postrouting priority 100; }")
	rule("chain KUBEVIRT_PREINBOUND { }")
	rule("chain KUBEVIRT_POSTINBOUND { }")
	rule("}")
	add := func(chain, format string, arguments ...any) {
		rule("add rule %s nat %s %s", family, chain, fmt.Sprintf(format, arguments...))
	}
	add("postrouting", "%s saddr %s counter masquerade", family, guest)
	add("prerouting", "iifname eth0 counter jump KUBEVIRT_PREINBOUND")
	add("postrouting", "oifname %s counter jump KUBEVIRT_POSTINBOUND", bridgeName)
	for _, p := range ports {
		add("KUBEVIRT_PREINBOUND", "%s dport { %d } counter dnat to %s", p.protocol, p.number, guest)
		add("KUBEVIRT_POSTINBOUND", "%s dport %d %s saddr { %s } counter snat to %s",
			p.protocol, p.number, family, plan.Loopback, gateway)
		add("output", "%s daddr { %s } %s dport %d counter dnat to %s",
			family, plan.Loopback, p.protocol, p.number, guest)
	}
	if len(ports) == 0 {
		add("KUBEVIRT_PREINBOUND", "counter dnat to %s", guest)
		add("KUBEVIRT_POSTINBOUND", "%s saddr { %s } counter snat to %s", family, plan.Loopback, gateway)
		add("output", "%s daddr { %s } counter dnat to %s", family, plan.Loopback, guest)
	}
	return b.String()
}
