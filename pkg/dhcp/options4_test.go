// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sorted(codes []uint8) []uint8 {
	slices.Sort(codes)
	return codes
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func address(s string) netip.Addr  { return netip.MustParseAddr(s) }

func TestOptions4(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config4)
		code   uint8
		want   []byte
	}{
		{"no router", func(c *Config4) { c.Router = netip.Addr{} }, 3, nil},
		{"no DNS server of the family", func(c *Config4) { c.DNS = []netip.Addr{address("fd00::1")} }, 6, nil},
		{"two DNS servers", func(c *Config4) { c.DNS = []netip.Addr{address("10.0.0.1"), address("10.0.0.2")} }, 6, []byte{10, 0, 0, 1, 10, 0, 0, 2}},
		{"no MTU", func(c *Config4) { c.MTU = 0 }, 26, nil},
		{"a domain of its own", func(c *Config4) { c.Domain = "sub.default.svc.cluster.local." }, 15, []byte("sub.default.svc.cluster.local")},
		{"the longest search domain", func(c *Config4) { c.Search = []string{"a.example", "longest.b.example", "c.example"} }, 15, []byte("longest.b.example")},
		{"no search domain", func(c *Config4) { c.Search = nil }, 15, nil},
		{"no search list", func(c *Config4) { c.Search = nil }, 119, nil},
		{"a search domain with final dot", func(c *Config4) { c.Search = []string{"a.example."} }, 119, []byte("\x01a\x07example\x00")},
		{"TFTP server", func(c *Config4) { c.TFTPServerName = "192.0.2.66" }, 66, []byte("192.0.2.66")},
		{"boot file", func(c *Config4) { c.BootFileName = "pxelinux.0" }, 67, []byte("pxelinux.0")},
		{"private option", func(c *Config4) { c.Private = map[uint8]string{240: "x"} }, 240, []byte("x")},
		{"lease time", func(c *Config4) { c.Lease = time.Hour }, 51, []byte{0, 0, 0x0e, 0x10}},
		{"host route", func(c *Config4) { c.Address = prefix("10.244.3.4/32") }, 1, []byte{255, 255, 255, 255}},
		{"no routes", func(c *Config4) {}, 121, nil},
		{"routes, the default one last", func(c *Config4) {
			c.Routes = []Route{
				{prefix("0.0.0.0/0"), address("169.254.1.1")},
				{prefix("169.254.1.1/32"), netip.Addr{}},
				{prefix("10.96.0.0/12"), address("10.0.2.9")},
			}
		}, 121, []byte{32, 169, 254, 1, 1, 0, 0, 0, 0, 12, 10, 96, 10, 0, 2, 9, 0, 169, 254, 1, 1}},
		{"routes, the default one from the router", func(c *Config4) {
			c.Routes = []Route{{prefix("192.168.0.1/16"), address("10.0.2.9")}}
		}, 121, []byte{16, 192, 168, 10, 0, 2, 9, 0, 10, 0, 2, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := testConfig4()
			test.change(&c)
			options, err := c.options()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, options[test.code]); diff != "" {
				t.Errorf("option %d differs (-want +got):\n%s", test.code, diff)
			}
		})
	}
}

func TestBadConfig4(t *testing.T) {
	for _, test := range []struct {
		change func(*Config4)
		want   string
	}{
		{func(c *Config4) { c.Address = netip.Prefix{} }, "address"},
		{func(c *Config4) { c.Address = prefix("fd10::2/120") }, "address"},
		{func(c *Config4) { c.Address = prefix("0.0.0.0/24") }, "address"},
		{func(c *Config4) { c.Server = netip.Addr{} }, "server identifier"},
		{func(c *Config4) { c.Server = address("fd10::1") }, "server identifier"},
		{func(c *Config4) { c.Router = address("fe80::1") }, "router"},
		{func(c *Config4) { c.Routes = []Route{{prefix("fd00::/8"), address("10.0.2.1")}} }, "route to"},
		{func(c *Config4) { c.Routes = []Route{{prefix("10.0.0.0/8"), address("fe80::1")}} }, "route to"},
		{func(c *Config4) { c.Routes = []Route{{}} }, "route to"},
		{func(c *Config4) { c.Routes = slices.Repeat([]Route{{prefix("10.0.0.1/32"), address("10.0.2.1")}}, 30) }, "routes: 275 bytes"},
		{func(c *Config4) { c.ClientMAC = make(net.HardwareAddr, 8) }, "client MAC"},
		{func(c *Config4) { c.MTU = 67 }, "mtu 67"},
		{func(c *Config4) { c.MTU = -1 }, "mtu -1"},
		{func(c *Config4) { c.MTU = 65536 }, "mtu 65536"},
		{func(c *Config4) { c.Lease = time.Millisecond }, "lease time"},
		{func(c *Config4) { c.Lease = -time.Hour }, "lease time"},
		{func(c *Config4) { c.Lease = (1<<32 - 1) * time.Second }, "lease time"},
		{func(c *Config4) { c.Hostname = "a b" }, `host name: "a b" has a " "`},
		{func(c *Config4) { c.Domain = "a..b" }, "domain: "},
		{func(c *Config4) { c.Search = []string{"."} }, "search domain: "},
		{func(c *Config4) { c.Search = []string{"exämple"} }, "search domain: "},
		{func(c *Config4) { c.Search = []string{strings.Repeat("a", 64)} }, "label of 64"},
		{func(c *Config4) { c.Search = []string{strings.Repeat("a.", 127) + "b"} }, "255 characters"},
		{func(c *Config4) { c.Search = slices.Repeat([]string{"svc.cluster.local"}, 14) }, "search domains: 266 bytes in option 119"},
		{func(c *Config4) { c.DNS = slices.Repeat([]netip.Addr{address("10.0.0.1")}, 64) }, "DNS servers: 256 bytes in option 6"},
		{func(c *Config4) { c.DNS = []netip.Addr{{}} }, "server address"},
		{func(c *Config4) { c.DNS = []netip.Addr{address("fe80::1%eth0")} }, "server address"},
		{func(c *Config4) { c.NTP = []netip.Addr{address("::ffff:10.0.0.1")} }, "server address"},
		{func(c *Config4) { c.TFTPServerName = strings.Repeat("a", 256) }, "TFTP server name: 256 bytes"},
		{func(c *Config4) { c.BootFileName = strings.Repeat("a", 256) }, "boot file name: 256 bytes"},
		{func(c *Config4) { c.Private = map[uint8]string{223: "x"} }, "private option 223"},
		{func(c *Config4) { c.Private = map[uint8]string{255: "x"} }, "private option 255"},
		{func(c *Config4) { c.Private = map[uint8]string{224: strings.Repeat("x", 256)} }, "private option: 256 bytes in option 224"},
	} {
		c := testConfig4()
		test.change(&c)
		if _, err := newLease4(&c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one about %q", err, test.want)
		}
	}
}
