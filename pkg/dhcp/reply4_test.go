// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

var (
	otherMAC = net.HardwareAddr{0x02, 0xba, 0xd0, 0, 0, 0x02}
	testXID  = dhcpv4.TransactionID{0xde, 0xad, 0xbe, 0xef}
)

// message4 is a client's message.
func message4(t testing.TB, kind dhcpv4.MessageType, modifiers ...dhcpv4.Modifier) []byte {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithTransactionID(testXID),
		dhcpv4.WithHwAddr(testGuestMAC),
		dhcpv4.WithMessageType(kind),
	}, modifiers...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.ToBytes()
}

func requesting(address string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(address)))
}

func naming(server string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(server)))
}

func having(address string) dhcpv4.Modifier { return dhcpv4.WithClientIP(net.ParseIP(address)) }

func raw4(code uint8, value ...byte) dhcpv4.Modifier {
	return dhcpv4.WithGeneric(dhcpv4.GenericOptionCode(code), value)
}

func mustLease4(t testing.TB, c Config4) *lease4 {
	t.Helper()
	l, err := newLease4(&c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestReply4(t *testing.T) {
	known := testConfig4()
	known.ClientMAC = testGuestMAC
	lease := mustLease4(t, known)

	for _, test := range []struct {
		name    string
		message []byte
		want    string // type of the reply, "" for none
		to      string
		err     error
	}{
		{name: "discover", message: message4(t, dhcpv4.MessageTypeDiscover),
			want: "offer", to: "255.255.255.255"},
		{name: "discover that hopes for another address", message: message4(t, dhcpv4.MessageTypeDiscover, requesting("192.168.7.7")),
			want: "offer", to: "255.255.255.255"},
		{name: "request, selecting", message: message4(t, dhcpv4.MessageTypeRequest, naming("10.0.2.1"), requesting("10.0.2.2")),
			want: "ack", to: "255.255.255.255"},
		{name: "request, selecting what was not offered", message: message4(t, dhcpv4.MessageTypeRequest, naming("10.0.2.1"), requesting("10.0.2.3")),
			want: "nak", to: "255.255.255.255"},
		{name: "request, selecting another server", message: message4(t, dhcpv4.MessageTypeRequest, naming("10.0.2.9"), requesting("10.0.2.2")),
			err: errIgnored},
		{name: "request, rebooting", message: message4(t, dhcpv4.MessageTypeRequest, requesting("10.0.2.2")),
			want: "ack", to: "255.255.255.255"},
		{name: "request, rebooting after a move", message: message4(t, dhcpv4.MessageTypeRequest, requesting("10.244.1.9")),
			want: "nak", to: "255.255.255.255"},
		{name: "request, renewing", message: message4(t, dhcpv4.MessageTypeRequest, having("10.0.2.2")),
			want: "ack", to: "10.0.2.2"},
		{name: "request, renewing after a move", message: message4(t, dhcpv4.MessageTypeRequest, having("10.244.1.9")),
			want: "nak", to: "255.255.255.255"},
		{name: "request, renewing one and requesting another", message: message4(t, dhcpv4.MessageTypeRequest, having("10.0.2.2"), requesting("10.244.1.9")),
			want: "nak", to: "255.255.255.255"},
		{name: "request of no address", message: message4(t, dhcpv4.MessageTypeRequest), err: errMalformed},
		{name: "inform", message: message4(t, dhcpv4.MessageTypeInform, having("10.0.2.2")),
			want: "ack", to: "10.0.2.2"},
		{name: "inform of a static address elsewhere", message: message4(t, dhcpv4.MessageTypeInform, having("127.0.0.1")),
			want: "ack", to: "255.255.255.255"},
		{name: "inform without address", message: message4(t, dhcpv4.MessageTypeInform), err: errMalformed},
		{name: "release", message: message4(t, dhcpv4.MessageTypeRelease, naming("10.0.2.1"), having("10.0.2.2"))},
		{name: "decline", message: message4(t, dhcpv4.MessageTypeDecline, naming("10.0.2.1"), requesting("10.0.2.2"))},

		{name: "another client", message: message4(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithHwAddr(otherMAC)), err: errIgnored},
		{name: "relayed", message: message4(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithGatewayIP(net.IPv4(10, 0, 2, 7))), err: errIgnored},
		{name: "a server's message", message: message4(t, dhcpv4.MessageTypeOffer, func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootReply }), err: errIgnored},
		{name: "BOOTP", message: message4(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithoutOption(dhcpv4.OptionDHCPMessageType)), err: errIgnored},

		{name: "an offer from a client", message: message4(t, dhcpv4.MessageTypeOffer), err: errMalformed},
		{name: "type 0", message: message4(t, 0), err: errMalformed},
		{name: "type 99", message: message4(t, 99), err: errMalformed},
		{name: "type of two bytes", message: message4(t, dhcpv4.MessageTypeDiscover, raw4(53, 1, 1)), err: errMalformed},
		{name: "server identifier of three bytes", message: message4(t, dhcpv4.MessageTypeRequest, requesting("10.0.2.2"), raw4(54, 10, 0, 2)), err: errMalformed},
		{name: "requested address of five bytes", message: message4(t, dhcpv4.MessageTypeDiscover, raw4(50, 10, 0, 2, 2, 0)), err: errMalformed},
		{name: "hardware address of no Ethernet", message: message4(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithHwAddr(make(net.HardwareAddr, 8))), err: errMalformed},
		{name: "nothing", message: nil, err: errMalformed},
		{name: "cut in the header", message: message4(t, dhcpv4.MessageTypeDiscover)[:200], err: errMalformed},
		{name: "cut in the options", message: message4(t, dhcpv4.MessageTypeDiscover)[:242], err: errMalformed},
		{name: "wrong cookie", message: replaced(message4(t, dhcpv4.MessageTypeDiscover), 236, 0), err: errMalformed},
		{name: "too long", message: append(message4(t, dhcpv4.MessageTypeDiscover), make([]byte, maxMessage)...), err: errMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, reply, err := lease.respond(test.message)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if reply == nil {
				if test.want != "" {
					t.Fatalf("no reply, want %s", test.want)
				}
				return
			}
			if got := types4[reply.MessageType()]; got != test.want {
				t.Errorf("reply is %q, want %q", got, test.want)
			}
			if to := lease.destination4(reply); to != netip.MustParseAddrPort(test.to+":68") {
				t.Errorf("reply goes to %v, want %s:68", to, test.to)
			}
		})
	}
}

func replaced(message []byte, at int, value byte) []byte {
	message[at] = value
	return message
}

// TestWholeReplies4 compares all of each kind of reply with what KubeVirt's server sends, as bytes.
func TestWholeReplies4(t *testing.T) {
	header := dhcpv4.DHCPv4{
		OpCode:        dhcpv4.OpcodeBootReply,
		HWType:        1,
		TransactionID: testXID,
		Flags:         0x8000,
		ClientIPAddr:  net.IP{0, 0, 0, 0},
		YourIPAddr:    net.IP{10, 0, 2, 2},
		ServerIPAddr:  net.IP{0, 0, 0, 0},
		GatewayIPAddr: net.IP{0, 0, 0, 0},
		ClientHWAddr:  testGuestMAC,
	}
	lease := map[uint8][]byte{
		1:  {255, 255, 255, 0},
		3:  {10, 0, 2, 1},
		6:  {10, 96, 0, 10},
		12: []byte("vm1"),
		15: []byte("default.svc.cluster.local"),
		26: {0x05, 0xaa},
		42: {192, 0, 2, 123},
		51: {0x05, 0x25, 0x0a, 0x80}, // 86,313,600 seconds
		54: {10, 0, 2, 1},
		61: {1, 2, 0xf0, 0x0d, 0, 0, 1}, // the client's own, RFC 6842
		119: []byte("\x07default\x03svc\x07cluster\x05local\x00" +
			"\x03svc\x07cluster\x05local\x00" +
			"\x07cluster\x05local\x00"),
	}
	with := func(options map[uint8][]byte, change func(map[uint8][]byte)) dhcpv4.Options {
		copied := dhcpv4.Options{}
		for code, value := range options {
			copied[code] = value
		}
		change(copied)
		return copied
	}

	offer := header
	offer.Options = with(lease, func(o map[uint8][]byte) { o[53] = []byte{2} })
	ack := header
	ack.Options = with(lease, func(o map[uint8][]byte) { o[53] = []byte{5} })
	inform := header
	inform.ClientIPAddr, inform.YourIPAddr = net.IP{10, 0, 2, 2}, net.IP{0, 0, 0, 0}
	inform.Options = with(lease, func(o map[uint8][]byte) { o[53] = []byte{5}; delete(o, 51) })
	nak := header
	nak.YourIPAddr = net.IP{0, 0, 0, 0}
	nak.Options = dhcpv4.Options{
		53: {6}, 54: {10, 0, 2, 1}, 56: []byte("address is not this client's"), 61: lease[61],
	}

	identified := dhcpv4.WithOption(dhcpv4.OptClientIdentifier(lease[61]))
	broadcast := dhcpv4.WithBroadcast(true)
	for _, test := range []struct {
		name    string
		message []byte
		want    dhcpv4.DHCPv4
	}{
		{"offer", message4(t, dhcpv4.MessageTypeDiscover, identified, broadcast), offer},
		{"ack", message4(t, dhcpv4.MessageTypeRequest, identified, broadcast, requesting("10.0.2.2")), ack},
		{"ack of an inform", message4(t, dhcpv4.MessageTypeInform, identified, broadcast, having("10.0.2.2")), inform},
		{"nak", message4(t, dhcpv4.MessageTypeRequest, identified, broadcast, requesting("10.0.2.3")), nak},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, reply, err := mustLease4(t, testConfig4()).respond(test.message)
			if err != nil {
				t.Fatal(err)
			}
			sent := reply.ToBytes()
			if len(sent) < 300 {
				t.Errorf("reply has %d bytes: BOOTP's least is 300", len(sent))
			}
			got, err := dhcpv4.FromBytes(sent)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Errorf("reply differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReplyFitsClient4: a client that says nothing takes 548 bytes of message.
func TestReplyFitsClient4(t *testing.T) {
	c := testConfig4()
	c.Private = map[uint8]string{224: strings.Repeat("a", 100), 254: strings.Repeat("b", 100)}
	c.BootFileName = strings.Repeat("f", 100)
	big := mustLease4(t, c)
	jumbo := c
	jumbo.MTU = 9000

	accepting := func(bytes uint16) dhcpv4.Modifier { return dhcpv4.WithOption(dhcpv4.OptMaxMessageSize(bytes)) }
	for _, test := range []struct {
		name    string
		lease   *lease4
		message []byte
		most    int
		missing []uint8
	}{
		{"the least", big, message4(t, dhcpv4.MessageTypeDiscover), 548, []uint8{224, 254}},
		{"less than allowed", big, message4(t, dhcpv4.MessageTypeDiscover, accepting(300)), 548, []uint8{224, 254}},
		{"a little more", big, message4(t, dhcpv4.MessageTypeDiscover, accepting(700)), 672, []uint8{224}},
		{"a whole frame", big, message4(t, dhcpv4.MessageTypeDiscover, accepting(1472)), 1422, nil},
		{"anything", big, message4(t, dhcpv4.MessageTypeDiscover, accepting(65535)), 1422, nil},
		{"anything, jumbo", mustLease4(t, jumbo), message4(t, dhcpv4.MessageTypeDiscover, accepting(65535)), 8972, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, reply, err := test.lease.respond(test.message)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(reply.ToBytes()); n > test.most {
				t.Errorf("reply has %d bytes, want at most %d", n, test.most)
			}
			var missing []uint8
			for code := range test.lease.options {
				if _, ok := reply.Options[code]; !ok {
					missing = append(missing, code)
				}
			}
			if !bytes.Equal(sorted(missing), test.missing) {
				t.Errorf("left out options %v, want %v", missing, test.missing)
			}
		})
	}
}
