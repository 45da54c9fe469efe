// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// The fuzz targets hold each answer against what its message must have been at the least, read from the bytes
// and not by the codec that the server reads with.

func FuzzServer4(f *testing.F) {
	for _, kind := range []dhcpv4.MessageType{
		dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform, dhcpv4.MessageTypeRelease,
	} {
		f.Add(message4(f, kind))
		f.Add(message4(f, kind, having("10.0.2.2"), naming("10.0.2.1")))
		f.Add(message4(f, kind, requesting("10.0.2.3"), dhcpv4.WithOption(dhcpv4.OptMaxMessageSize(1000))))
	}
	f.Add(message4(f, dhcpv4.MessageTypeDiscover, raw4(61, make([]byte, 300)...), raw4(119, 0xc0, 0)))
	lease := mustLease4(f, testConfig4())

	f.Fuzz(func(t *testing.T, message []byte) {
		_, reply, err := lease.respond(message)
		if err != nil && reply != nil {
			t.Fatalf("both a reply and an error: %v", err)
		}
		if reply == nil {
			return
		}
		if len(message) > maxMessage || len(message) < 241 || message[0] != 1 || message[1] != 1 || message[2] != 6 ||
			!bytes.Equal(message[24:28], []byte{0, 0, 0, 0}) || !bytes.Equal(message[236:240], []byte{99, 130, 83, 99}) {
			t.Fatalf("answered a malformed message %x", message)
		}
		sent := reply.ToBytes()
		if len(sent) < 300 || sent[0] != 2 || !bytes.Equal(sent[4:8], message[4:8]) || !bytes.Equal(sent[28:34], message[28:34]) {
			t.Errorf("reply %x doesn't belong to %x", sent, message)
		}
		if yours := sent[16:20]; !bytes.Equal(yours, []byte{10, 0, 2, 2}) && !bytes.Equal(yours, []byte{0, 0, 0, 0}) {
			t.Errorf("gave away %v", yours)
		}
		if to := lease.destination4(reply); to.Addr() != lease.address && to.String() != "255.255.255.255:68" {
			t.Errorf("reply goes to %v", to)
		}
	})
}

func FuzzServer6(f *testing.F) {
	address := hasAddress("fd10:0:2::2", leaseLife)
	for kind := range byte(14) {
		f.Add(message6(kind, clientDUID, ia(3, "abcd", address)))
		f.Add(message6(kind, clientDUID, ourDUID, ia(3, "abcd", address, status6(0)), ia(25, "abcd"), ia(4, "abcd")))
		f.Add(message6(kind, clientDUID, rapid, elapsed, option6(6, "\x00\x17\x00\x18"), option6(39, "\x00\x03abc\xc0\x01")))
	}
	c := testConfig6()
	lease, err := newLease6(&c)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		_, reply, err := lease.respond(message)
		if err != nil && reply != nil {
			t.Fatalf("both a reply and an error: %v", err)
		}
		if reply == nil {
			return
		}
		const information = 11
		kind := message[0]
		client := firstOption6(message[4:], 1)
		if len(message) > maxMessage || kind == 0 || kind == 2 || kind == 7 || kind > information || client == nil && kind != information {
			t.Fatalf("answered a malformed message %x", message)
		}
		sent := reply.ToBytes()
		if !bytes.Equal(sent[1:4], message[1:4]) || !bytes.Equal(firstOption6(sent[4:], 1), client) ||
			!bytes.Equal(firstOption6(sent[4:], 2), []byte(ourDUID)[4:]) {
			t.Errorf("reply %x doesn't belong to %x", sent, message)
		}
	})
}

// firstOption6 is the value of the first option with a code, nil where there is none.
func firstOption6(options []byte, code byte) []byte {
	for len(options) >= 4 {
		length := int(options[2])<<8 | int(options[3])
		if length > len(options)-4 {
			return nil
		}
		if options[0] == 0 && options[1] == code {
			return options[4 : 4+length]
		}
		options = options[4+length:]
	}
	return nil
}

func FuzzAdvertiser(f *testing.F) {
	f.Add([]byte("\x85\x00\x00\x00\x00\x00\x00\x00"), true, 255)
	f.Add([]byte("\x85\x00\x00\x00\x00\x00\x00\x00\x01\x01\x02\xf0\x0d\x00\x00\x01"), true, 255)
	f.Add([]byte("\x85\x00\x00\x00\x00\x00\x00\x00\x0e\x01\x00\x00\x00\x00\x00\x00"), false, 64)
	for kind := range byte(40) { // options of all kinds that the codec knows
		f.Add([]byte("\x85\x00\x00\x00\x00\x00\x00\x00"+string([]byte{kind, 1})+"abcdef"), true, 255)
		f.Add([]byte("\x85\x00\x00\x00\x00\x00\x00\x00"+string([]byte{kind, 3})+"\x00\x00\x00\x00\x00\x01\x03abc\x00abcdefghij\x00"), true, 255)
	}
	f.Fuzz(func(t *testing.T, message []byte, named bool, hopLimit int) {
		from := netip.IPv6Unspecified()
		if named {
			from = netip.MustParseAddr("fe80::1")
		}
		if checkSolicitation(message, from, hopLimit) != nil {
			return
		}
		if len(message) < 8 || len(message)%8 != 0 || len(message) > maxMessage || message[0] != 133 || message[1] != 0 || hopLimit != 255 {
			t.Fatalf("answered a malformed message %x", message)
		}
		for options := message[8:]; len(options) > 0; options = options[int(options[1])*8:] {
			if options[1] == 0 || options[0] == 1 && !named {
				t.Fatalf("answered a malformed message %x", message)
			}
		}
	})
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add([]byte("nameserver 10.0.0.1\nsearch a.example b.example\noptions ndots:5\n"))
	f.Add([]byte("nameserver fe80::1%eth0\ndomain .\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		servers, search := ParseResolvConf(bytes.NewReader(file))
		c := Common{DNS: servers, Search: search}
		if err := c.check(); err != nil {
			t.Errorf("parsed what no server takes: %v", err)
		}
	})
}
