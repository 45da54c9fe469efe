// SPDX-License-Identifier: Apache-2.0

package dhcp

import "net/netip"

// The leases of KubeVirt's masquerade binding in a Kubernetes pod.

func testCommon() Common {
	return Common{
		ServerMAC: testGatewayMAC,
		MTU:       1450,
		Hostname:  "vm1",
		DNS:       []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd00:96::a")},
		Search:    []string{"default.svc.cluster.local", "svc.cluster.local", "cluster.local"},
		NTP:       []netip.Addr{netip.MustParseAddr("192.0.2.123"), netip.MustParseAddr("2001:db8::123")},
	}
}

func testConfig4() Config4 {
	return Config4{
		Common:  testCommon(),
		Address: netip.MustParsePrefix("10.0.2.2/24"),
		Server:  netip.MustParseAddr("10.0.2.1"),
		Router:  netip.MustParseAddr("10.0.2.1"),
	}
}

func testConfig6() Config6 {
	return Config6{Common: testCommon(), Address: netip.MustParseAddr("fd10:0:2::2")}
}

func testConfigRA() ConfigRA {
	return ConfigRA{Common: testCommon(), Prefix: netip.MustParsePrefix("fd10:0:2::/120")}
}
