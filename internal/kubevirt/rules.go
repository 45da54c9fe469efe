// SPDX-License-Identifier: Apache-2.0

package kubevirt

import (
	"fmt"
	"strings"
)

// rules are the nftables of one family, in the order in which KubeVirt adds them.
func (f Family) rules(ports []Port) string {
	var b strings.Builder
	rule := func(format string, arguments ...any) { fmt.Fprintf(&b, format+"\n", arguments...) }
	family, loopback := "ip", "127.0.0.1"
	if f.Guest.Addr().Is6() {
		family, loopback = "ip6", "::1"
	}
	guest, gateway := f.Guest.Addr(), f.Gateway.Addr()

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
	add("prerouting", "iifname %s counter jump KUBEVIRT_PREINBOUND", nicName)
	add("postrouting", "oifname %s counter jump KUBEVIRT_POSTINBOUND", BridgeName)
	for _, p := range ports {
		add("KUBEVIRT_PREINBOUND", "%s dport { %d } counter dnat to %s", p.Protocol, p.Number, guest)
		add("KUBEVIRT_POSTINBOUND", "%s dport %d %s saddr { %s } counter snat to %s",
			p.Protocol, p.Number, family, loopback, gateway)
		add("output", "%s daddr { %s } %s dport %d counter dnat to %s",
			family, loopback, p.Protocol, p.Number, guest)
	}
	if len(ports) == 0 {
		add("KUBEVIRT_PREINBOUND", "counter dnat to %s", guest)
		add("KUBEVIRT_POSTINBOUND", "%s saddr { %s } counter snat to %s", family, loopback, gateway)
		add("output", "%s daddr { %s } counter dnat to %s", family, loopback, guest)
	}
	return b.String()
}
