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

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
)

// Options of a client's DHCPv6 message, as RFC 8415 section 21 lays them out.
var (
	clientDUID = option6(1, "\x00\x01\x00\x01\x2c\x97\x0b\x04\x02\xf0\x0d\x00\x00\x01")
	ourDUID    = option6(2, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x00")
	otherDUID  = option6(2, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x99")
	rapid      = option6(14, "")
	elapsed    = option6(8, "\x00\x00")
	leaseLife  = "\x05\x25\x0a\x80" // 86,313,600 seconds
)

func option6(code byte, value string) string {
	return string([]byte{0, code, byte(len(value) >> 8), byte(len(value))}) + value
}

func status6(code byte) string { return option6(13, string([]byte{0, code})) }

// hasAddress is an IA_NA's address with its lifetime.
func hasAddress(address, life string) string {
	return option6(5, string(netip.MustParseAddr(address).AsSlice())+life+life)
}

// ia is an identity association of a client: its T1 and T2 are zero. IA_NA is 3, IA_TA 4 and IA_PD 25.
func ia(code byte, id string, options ...string) string {
	times := "\x00\x00\x00\x00\x00\x00\x00\x00"
	if code == 4 {
		times = ""
	}
	return option6(code, id+times+strings.Join(options, ""))
}

func message6(kind byte, options ...string) []byte {
	return []byte(string([]byte{kind, 0x12, 0x34, 0x56}) + strings.Join(options, ""))
}

// wholeReply6 is a server's message: other options, then those of testConfig6.
func wholeReply6(kind byte, options ...string) []byte {
	return message6(kind, append(append([]string{clientDUID, ourDUID}, options...),
		option6(23, string(netip.MustParseAddr("fd00:96::a").AsSlice())),
		option6(24, "\x07default\x03svc\x07cluster\x05local\x00\x03svc\x07cluster\x05local\x00\x07cluster\x05local\x00"),
		option6(56, option6(1, string(netip.MustParseAddr("2001:db8::123").AsSlice()))),
	)...)
}

// granted is the answer to an IA_NA with the lease, T1 at half of it and T2 at four fifths.
func granted(id string, options ...string) string {
	return option6(3, id+"\x02\x92\x85\x40"+"\x04\x1d\xa2\x00"+hasAddress("fd10:0:2::2", leaseLife)+strings.Join(options, ""))
}

func TestReply6(t *testing.T) {
	const (
		solicit, advertise, request, confirm, renew, rebind, reply    = 1, 2, 3, 4, 5, 6, 7
		release, decline, reconfigure, information, forwarded, replay = 8, 9, 10, 11, 12, 13
		one, two                                                      = "\x00\x00\x00\x01", "\x00\x00\x00\x02"
		ended                                                         = "\x00\x00\x00\x00"
	)
	preference := option6(7, "\xff")
	wants := ia(3, one)
	has := ia(3, one, hasAddress("fd10:0:2::2", leaseLife))
	hasOther := ia(3, one, hasAddress("fd10:0:3::9", leaseLife))
	hasBoth := ia(3, one, hasAddress("fd10:0:3::9", leaseLife), hasAddress("fd10:0:2::2", leaseLife))

	config := testConfig6()
	lease, err := newLease6(&config)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		message []byte
		want    []byte
		err     error
	}{
		{name: "solicit", message: message6(solicit, clientDUID, wants, elapsed),
			want: wholeReply6(advertise, preference, granted(one))},
		{name: "solicit with rapid commit", message: message6(solicit, clientDUID, rapid, wants),
			want: wholeReply6(reply, rapid, granted(one))},
		{name: "solicit of another address", message: message6(solicit, clientDUID, hasOther),
			want: wholeReply6(advertise, preference, granted(one))},
		{name: "solicit of nothing", message: message6(solicit, clientDUID),
			want: wholeReply6(advertise, preference)},
		{name: "solicit of all there is", message: message6(solicit, clientDUID, ia(25, one), ia(4, one), ia(3, one), ia(3, two)),
			want: wholeReply6(advertise, preference, granted(one), ia(3, two, status6(2)), ia(4, one, status6(2)), ia(25, one, status6(6)))},
		{name: "solicit with odd options", message: message6(solicit, clientDUID, option6(6, "\x00"), option6(24, "\x3fa"), option6(39, ""), wants),
			want: wholeReply6(advertise, preference, granted(one))},
		{name: "request", message: message6(request, clientDUID, ourDUID, has),
			want: wholeReply6(reply, granted(one))},
		{name: "request without a hint", message: message6(request, clientDUID, ourDUID, wants),
			want: wholeReply6(reply, granted(one))},
		{name: "request of another address", message: message6(request, clientDUID, ourDUID, hasOther),
			want: wholeReply6(reply, ia(3, one, status6(4)))},
		{name: "renew", message: message6(renew, clientDUID, ourDUID, has),
			want: wholeReply6(reply, granted(one))},
		{name: "renew after a move", message: message6(renew, clientDUID, ourDUID, hasOther),
			want: wholeReply6(reply, granted(one, hasAddress("fd10:0:3::9", ended)))},
		{name: "rebind", message: message6(rebind, clientDUID, has),
			want: wholeReply6(reply, granted(one))},
		{name: "rebind of one too many", message: message6(rebind, clientDUID, hasBoth),
			want: wholeReply6(reply, granted(one, hasAddress("fd10:0:3::9", ended)))},
		{name: "confirm", message: message6(confirm, clientDUID, has),
			want: message6(reply, clientDUID, ourDUID, status6(0))},
		{name: "confirm after a move", message: message6(confirm, clientDUID, hasBoth),
			want: message6(reply, clientDUID, ourDUID, status6(4))},
		{name: "confirm of nothing", message: message6(confirm, clientDUID, wants), err: errIgnored},
		{name: "release", message: message6(release, clientDUID, ourDUID, has),
			want: message6(reply, clientDUID, ourDUID, status6(0))},
		{name: "release of another address", message: message6(release, clientDUID, ourDUID, hasOther),
			want: message6(reply, clientDUID, ourDUID, status6(0), ia(3, one, status6(3)))},
		{name: "decline", message: message6(decline, clientDUID, ourDUID, has),
			want: message6(reply, clientDUID, ourDUID, status6(0))},
		{name: "information request", message: message6(information, clientDUID), want: wholeReply6(reply)},
		{name: "information request of us", message: message6(information, clientDUID, ourDUID), want: wholeReply6(reply)},
		{name: "information request without a name", message: message6(information),
			want: bytes.Replace(wholeReply6(reply), []byte(clientDUID), nil, 1)},

		{name: "request of another server", message: message6(request, clientDUID, otherDUID, has), err: errIgnored},
		{name: "information request of another server", message: message6(information, otherDUID), err: errIgnored},
		{name: "advertise", message: message6(advertise, clientDUID, otherDUID), err: errIgnored},
		{name: "reply", message: message6(reply, clientDUID, otherDUID), err: errIgnored},
		{name: "relay forward", message: message6(forwarded), err: errIgnored},
		{name: "relay reply", message: message6(replay), err: errIgnored},

		{name: "solicit of one server", message: message6(solicit, clientDUID, ourDUID, wants), err: errMalformed},
		{name: "solicit without a name", message: message6(solicit, wants), err: errMalformed},
		{name: "request without a server", message: message6(request, clientDUID, wants), err: errMalformed},
		{name: "renew without a server", message: message6(renew, clientDUID, has), err: errMalformed},
		{name: "rebind of one server", message: message6(rebind, clientDUID, ourDUID, has), err: errMalformed},
		{name: "confirm of one server", message: message6(confirm, clientDUID, ourDUID, has), err: errMalformed},
		{name: "release without a server", message: message6(release, clientDUID, has), err: errMalformed},
		{name: "decline without a server", message: message6(decline, clientDUID, has), err: errMalformed},
		{name: "information request of addresses", message: message6(information, clientDUID, wants), err: errMalformed},
		{name: "reconfigure", message: message6(reconfigure, clientDUID, ourDUID), err: errMalformed},
		{name: "type 0", message: message6(0, clientDUID), err: errMalformed},
		{name: "nothing", message: nil, err: errMalformed},
		{name: "cut in the header", message: message6(solicit)[:3], err: errMalformed},
		{name: "cut in an option", message: bytes.TrimSuffix(message6(solicit, clientDUID), []byte{1}), err: errMalformed},
		{name: "cut in an association", message: message6(solicit, clientDUID, option6(3, one)), err: errMalformed},
		{name: "a name too long", message: message6(solicit, option6(1, "\x00\x09"+strings.Repeat("x", 129)), wants), err: errMalformed},
		{name: "a name too short", message: message6(solicit, option6(1, "\x00"), wants), err: errMalformed},
		{name: "too long", message: append(message6(solicit, clientDUID), make([]byte, maxMessage)...), err: errMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, reply, err := lease.respond(test.message)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			var got []byte
			if reply != nil {
				got = reply.ToBytes()
			}
			if diff := cmp.Diff(summary6(t, test.want), summary6(t, got)); diff != "" {
				t.Errorf("reply differs (-want +got):\n%s", diff)
			}
			if !bytes.Equal(got, test.want) {
				t.Errorf("reply is\n%x, want\n%x", got, test.want)
			}
		})
	}
}

// summary6 is a message in words, for people.
func summary6(t *testing.T, message []byte) string {
	if message == nil {
		return ""
	}
	m, err := dhcpv6.MessageFromBytes(message)
	if err != nil {
		t.Fatal(err)
	}
	return m.Summary()
}

// TestSources6: DHCPv6 clients send from their link-local addresses only.
func TestSources6(t *testing.T) {
	for source, want := range map[string]error{
		"fe80::f0:dff:fe00:1": nil, "::": errMalformed, "fd10:0:2::2": errMalformed, "::1": errMalformed,
	} {
		err := checkLinkLocal(&net.UDPAddr{IP: net.ParseIP(source)})
		if !errors.Is(err, want) {
			t.Errorf("from %s: %v, want %v", source, err, want)
		}
	}
}

func TestBadConfig6(t *testing.T) {
	for _, test := range []struct {
		change func(*Config6)
		want   string
	}{
		{func(c *Config6) { c.Address = netip.Addr{} }, "address"},
		{func(c *Config6) { c.Address = address("10.0.2.2") }, "address"},
		{func(c *Config6) { c.Address = address("::ffff:10.0.2.2") }, "address"},
		{func(c *Config6) { c.Address = address("fe80::2") }, "address"},
		{func(c *Config6) { c.Address = address("ff02::2") }, "address"},
		{func(c *Config6) { c.ServerMAC = nil }, "server MAC"},
		{func(c *Config6) { c.Search = []string{"a..b"} }, "search domain"},
		{func(c *Config6) { c.Search = slices.Repeat([]string{"svc.cluster.local"}, 60) }, "give fewer"},
	} {
		c := testConfig6()
		test.change(&c)
		if _, err := newLease6(&c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one about %q", err, test.want)
		}
	}
}

// TestLongSearch6: DHCPv6 takes the search lists that are too long for DHCPv4.
func TestLongSearch6(t *testing.T) {
	c := testConfig6()
	c.Search = slices.Repeat([]string{"svc.cluster.local"}, 14)
	if _, err := newLease6(&c); err != nil {
		t.Error(err)
	}
}
