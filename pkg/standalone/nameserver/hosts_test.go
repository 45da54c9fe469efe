// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/internal/sandbox"
	"golang.org/x/net/dns/dnsmessage"
)

var hostsFile = `127.0.0.1 localhost
::1 localhost ip6-localhost
127.0.1.1 thishost
192.0.2.7 seven.example.org seven
192.0.2.8 eight
2001:db8::8 eight
fe80::9%lo nine
` + strings.Repeat("192.0.2.10 many\n192.0.2.11 many\n", 30)

// data is what the answers of a message say, as text.
func data(m dnsmessage.Message) []string {
	var all []string
	for _, record := range m.Answers {
		switch body := record.Body.(type) {
		case *dnsmessage.AResource:
			all = append(all, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			all = append(all, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.PTRResource:
			all = append(all, body.PTR.String())
		default:
			all = append(all, fmt.Sprint(body))
		}
	}
	return all
}

func TestHosts(t *testing.T) {
	sandbox.File(t, "/etc/resolv.conf", "nameserver 127.0.0.53\n")
	nobody := upstreamAt(t, "127.0.0.53", func(_ string, query []byte) []byte {
		q, _, _ := parse(query)
		return q.reply("tcp", dnsmessage.RCodeNameError, nil)
	})
	serve(t)

	tests := []struct {
		name    string
		kind    dnsmessage.Type
		want    []string
		forward bool
	}{
		{"seven.", dnsmessage.TypeA, []string{"192.0.2.7"}, false},
		{"SEVEN.example.ORG.", dnsmessage.TypeA, []string{"192.0.2.7"}, false},
		{"seven.", dnsmessage.TypeAAAA, nil, false},
		{"eight.", dnsmessage.TypeA, []string{"192.0.2.8"}, false},
		{"eight.", dnsmessage.TypeAAAA, []string{"2001:db8::8"}, false},
		{"nine.", dnsmessage.TypeAAAA, []string{"fe80::9"}, false},
		{"thishost.", dnsmessage.TypeA, []string{"127.0.0.1"}, false}, // the server's own address here
		{"localhost.", dnsmessage.TypeA, []string{"127.0.0.1"}, false},
		{"ip6-localhost.", dnsmessage.TypeAAAA, []string{"::1"}, false},
		{"7.2.0.192.in-addr.arpa.", dnsmessage.TypePTR, []string{"seven.example.org.", "seven."}, false},
		{"8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", dnsmessage.TypePTR, []string{"eight."}, false},
		{"9.2.0.192.in-addr.arpa.", dnsmessage.TypePTR, nil, true},
		{"192.in-addr.arpa.", dnsmessage.TypePTR, nil, true},
		{"x.ip6.arpa.", dnsmessage.TypePTR, nil, true},
		{"seven.", dnsmessage.TypeMX, nil, true},
		{"six.", dnsmessage.TypeA, nil, true},
	}
	for _, test := range tests {
		for _, network := range []string{"udp", "tcp"} {
			for _, server := range own {
				t.Run(fmt.Sprint(test.name, test.kind, network, server), func(t *testing.T) {
					before := len(nobody.queries())
					m := unpack(t, ask(t, network, server, question(t, test.name, test.kind)))
					if got := data(m); !slices.Equal(got, test.want) {
						t.Errorf("answers: got %q, want %q", got, test.want)
					}
					if !m.Response || m.ID != 4711 || !m.RecursionAvailable || len(m.Questions) != 1 {
						t.Errorf("not the answer to the question: %v", m)
					}
					wantCode := dnsmessage.RCodeSuccess
					if test.forward {
						wantCode = dnsmessage.RCodeNameError
					}
					if forwarded := len(nobody.queries()) > before; m.RCode != wantCode || forwarded != test.forward {
						t.Errorf("got %v, forwarded: %v", m.RCode, forwarded)
					}
				})
			}
		}
	}
}

func TestSeenFromPod(t *testing.T) {
	gateways := &Server{addresses: []netip.Addr{netip.MustParseAddr("10.201.0.1"), netip.MustParseAddr("fd54::1")}}
	only4 := &Server{addresses: gateways.addresses[:1]}
	tests := []struct {
		server              *Server
		name, address, want string
	}{
		{gateways, "thishost.", "127.0.1.1", "10.201.0.1"},
		{gateways, "thishost.", "::1", "fd54::1"},
		{only4, "thishost.", "::1", "::1"},
		{gateways, "localhost.", "127.0.0.1", "127.0.0.1"},
		{gateways, "a.LOCALHOST.", "127.0.0.1", "127.0.0.1"},
		{gateways, "other.", "192.0.2.7", "192.0.2.7"},
	}
	for _, test := range tests {
		if got := test.server.seenFromPod(test.name, netip.MustParseAddr(test.address)); got.String() != test.want {
			t.Errorf("%s at %s: got %s, want %s", test.name, test.address, got, test.want)
		}
	}
}

// An answer that doesn't fit is cut, and is whole by TCP.
func TestTruncated(t *testing.T) {
	serve(t)
	tests := []struct {
		name    string
		network string
		opt     []dnsmessage.Resource
		want    int
	}{
		{"udp", "udp", nil, 0},
		{"udp with a size", "udp", []dnsmessage.Resource{edns(t, 1232)}, 60},
		{"udp with a size below the least", "udp", []dnsmessage.Resource{edns(t, 1)}, 0},
		{"tcp", "tcp", nil, 60},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := unpack(t, ask(t, test.network, own[0], question(t, "many.", dnsmessage.TypeA, test.opt...)))
			if len(m.Answers) != test.want || m.Truncated != (test.want == 0) {
				t.Errorf("got %d answers, truncated: %v; want %d", len(m.Answers), m.Truncated, test.want)
			}
			if len(m.Additionals) != len(test.opt) {
				t.Errorf("OPT records: got %d, want as many as were sent: %d", len(m.Additionals), len(test.opt))
			}
		})
	}
}
