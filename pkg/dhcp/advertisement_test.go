// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWholeAdvertisement compares the advertisement with RFC 4861 section 4.2 and RFC 8106, byte for byte.
func TestWholeAdvertisement(t *testing.T) {
	c := testConfigRA()
	got, err := c.advertisement()
	if err != nil {
		t.Fatal(err)
	}
	const lease = "\x05\x25\x0a\x80"
	want := "\x86\x00\x00\x00" + "\x40\xc0\xff\xff" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + // hop limit 64, M and O, 65535 s
		"\x01\x01" + string(testGatewayMAC) +
		"\x03\x04\x78\x80" + lease + lease + "\x00\x00\x00\x00" + // /120, on-link, not autonomous
		string(address("fd10:0:2::").AsSlice()) +
		"\x05\x01\x00\x00" + "\x00\x00\x05\xaa" +
		"\x19\x03\x00\x00" + "\x00\x00\xff\xff" + string(address("fd00:96::a").AsSlice()) +
		"\x1f\x09\x00\x00" + "\x00\x00\xff\xff" +
		"\x07default\x03svc\x07cluster\x05local\x00\x03svc\x07cluster\x05local\x00\x07cluster\x05local\x00" + "\x00\x00\x00"
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("advertisement is\n%x, want\n%x", got, want)
	}
}

func TestLongSearchAdvertised(t *testing.T) {
	names := slices.Repeat([]string{"svc.cluster.local."}, 30)
	total := 0
	for _, list := range chunks(names) {
		length := 0
		for _, name := range list {
			length += len(labels([]string{name}).ToBytes())
		}
		if length > maxSearchOption {
			t.Errorf("a list of %d bytes, want at most %d", length, maxSearchOption)
		}
		total += len(list)
	}
	if total != len(names) {
		t.Errorf("%d names of %d", total, len(names))
	}
	c := testConfigRA()
	c.Search = names
	if _, err := c.advertisement(); err != nil {
		t.Error(err)
	}
}

func TestBadConfigRA(t *testing.T) {
	for _, test := range []struct {
		change func(*ConfigRA)
		want   string
	}{
		{func(c *ConfigRA) { c.Prefix = netip.Prefix{} }, "prefix"},
		{func(c *ConfigRA) { c.Prefix = prefix("10.0.2.0/24") }, "prefix"},
		{func(c *ConfigRA) { c.ServerMAC = c.ServerMAC[:5] }, "server MAC"},
		{func(c *ConfigRA) { c.MTU = 1279 }, "mtu 1279"},
		{func(c *ConfigRA) { c.RouterLifetime = time.Second }, "router lifetime 1s"},
		{func(c *ConfigRA) { c.RouterLifetime = 65536 * time.Second }, "router lifetime"},
		{func(c *ConfigRA) { c.DNS = slices.Repeat([]netip.Addr{address("fd00::1")}, 16) }, "fewer DNS servers"},
		{func(c *ConfigRA) { c.Search = slices.Repeat([]string{"svc.cluster.local"}, 80) }, "fewer DNS servers or search domains"},
		{func(c *ConfigRA) { c.Search = []string{" "} }, "search domain"},
	} {
		c := testConfigRA()
		test.change(&c)
		if _, err := c.advertisement(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one about %q", err, test.want)
		}
	}
}

func TestCheckSolicitation(t *testing.T) {
	const (
		header = "\x85\x00\x00\x00\x00\x00\x00\x00"
		source = "\x01\x01\x02\xf0\x0d\x00\x00\x01"
		nonce  = "\x0e\x01\x01\x02\x03\x04\x05\x06"
	)
	guest, unspecified := address("fe80::f0:dff:fe00:1"), netip.IPv6Unspecified()
	for _, test := range []struct {
		name     string
		message  string
		from     netip.Addr
		hopLimit int
		want     error
	}{
		{"plain", header, guest, 255, nil},
		{"with its MAC", header + source, guest, 255, nil},
		{"with an unknown option", header + "\xfd\x01\x00\x00\x00\x00\x00\x00", guest, 255, nil},
		{"from nowhere", header, unspecified, 255, nil},
		{"from nowhere with a nonce", header + nonce, unspecified, 255, nil},
		{"from nowhere with a MAC", header + source, unspecified, 255, errMalformed},
		{"forwarded", header, guest, 254, errMalformed},
		{"of unknown hop limit", header, guest, 0, errMalformed},
		{"with a code", "\x85\x01\x00\x00\x00\x00\x00\x00", guest, 255, errMalformed},
		{"an option of no length", header + "\x01\x00\x00\x00\x00\x00\x00\x00", guest, 255, errMalformed},
		{"an option cut", header + source[:7], guest, 255, errMalformed},
		{"short", header[:7], guest, 255, errMalformed},
		{"nothing", "", guest, 255, errMalformed},
		{"too long", header + strings.Repeat(nonce, 200), guest, 255, errMalformed},
		{"a neighbour's", "\x87\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 16), guest, 255, errIgnored},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := checkSolicitation([]byte(test.message), test.from, test.hopLimit); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestLinkLocal(t *testing.T) {
	for mac, want := range map[string]string{
		"02:00:00:00:00:00": "fe80::ff:fe00:0",
		"02:f0:0d:00:00:01": "fe80::f0:dff:fe00:1",
		"52:54:00:12:34:56": "fe80::5054:ff:fe12:3456",
	} {
		parsed, err := net.ParseMAC(mac)
		if err != nil {
			t.Fatal(err)
		}
		if got := linkLocal(parsed); got != address(want) {
			t.Errorf("%s has %v, want %s", mac, got, want)
		}
	}
}
