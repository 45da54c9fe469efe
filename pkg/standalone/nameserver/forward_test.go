// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"bytes"
	"slices"
	"testing"

	"github.com/tapir-vm/tapir/internal/sandbox"
	"golang.org/x/net/dns/dnsmessage"
)

// responding turns a query into a response: the header's QR bit, and a code.
func responding(query []byte, code dnsmessage.RCode) []byte {
	answer := slices.Clone(query)
	answer[2] |= 0x80
	answer[3] = answer[3]&^0xf | byte(code)
	return answer
}

// Whatever a query holds, and its answer, goes through unchanged.
func TestForward(t *testing.T) {
	sandbox.File(t, "/etc/resolv.conf", "# a comment\nnameserver 127.0.0.53 ; another\nsearch example.org\n")
	unknown := dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("x."), Type: 4242, Class: 7},
		Body:   &dnsmessage.UnknownResource{Type: 4242, Data: []byte("anything")},
	}
	query := question(t, "www.example.org.", 65, edns(t, 4096), unknown)
	for _, network := range []string{"udp", "tcp"} {
		for _, size := range []int{0, 1200, 20000} {
			t.Run(network, func(t *testing.T) {
				answer := append(responding(query, dnsmessage.RCodeSuccess), make([]byte, size)...)
				answer[2] |= 2 // truncated: for the client to know
				asked := make(chan []byte, 1)
				upstream := upstreamAt(t, "127.0.0.53", func(_ string, query []byte) []byte {
					asked <- slices.Clone(query)
					return answer
				})
				serve(t)
				if got := ask(t, network, own[0], query); !bytes.Equal(got, answer) {
					t.Errorf("the answer has changed: got %x, want %x", got, answer)
				}
				if got := <-asked; !bytes.Equal(got, query) {
					t.Errorf("the query has changed: got %x, want %x", got, query)
				}
				if queries := upstream.queries(); !slices.Equal(queries, []string{network}) {
					t.Errorf("asked by %q, want %s", queries, network)
				}
			})
		}
	}
}

// The host's servers have their turns, as with the C library.
func TestServersInTurn(t *testing.T) {
	fails := func(code dnsmessage.RCode) func(string, []byte) []byte {
		return func(_ string, query []byte) []byte { return responding(query, code) }
	}
	forged := func(_ string, query []byte) []byte {
		answer := responding(query, dnsmessage.RCodeSuccess)
		answer[0]++
		return answer
	}
	tests := []struct {
		name string
		conf string
		one  func(string, []byte) []byte // at 127.0.0.11
		two  func(string, []byte) []byte // at 127.0.0.12
		want dnsmessage.RCode
	}{
		{"first", "nameserver 127.0.0.11\nnameserver 127.0.0.12\n", fails(dnsmessage.RCodeNameError), fails(dnsmessage.RCodeSuccess), dnsmessage.RCodeNameError},
		{"refused, then second", "nameserver 127.0.0.11\nnameserver 127.0.0.12\n", fails(dnsmessage.RCodeRefused), fails(dnsmessage.RCodeSuccess), dnsmessage.RCodeSuccess},
		{"failed, then second", "nameserver 127.0.0.11\nnameserver 127.0.0.12\n", fails(dnsmessage.RCodeServerFailure), fails(dnsmessage.RCodeNameError), dnsmessage.RCodeNameError},
		{"nobody there, then second", "nameserver 127.0.0.99\nnameserver 127.0.0.12\n", nil, fails(dnsmessage.RCodeSuccess), dnsmessage.RCodeSuccess},
		{"forged, then second", "nameserver 127.0.0.11\nnameserver 127.0.0.12\n", forged, fails(dnsmessage.RCodeSuccess), dnsmessage.RCodeSuccess},
		{"all refuse", "nameserver 127.0.0.11\nnameserver 127.0.0.12\n", fails(dnsmessage.RCodeRefused), fails(dnsmessage.RCodeRefused), dnsmessage.RCodeRefused},
		{"nobody anywhere", "nameserver 127.0.0.99\nnameserver 127.0.0.98\n", nil, nil, dnsmessage.RCodeServerFailure},
		{"a fourth has no turn", "nameserver 127.0.0.99\nnameserver 127.0.0.99\nnameserver 127.0.0.99\nnameserver 127.0.0.11\n", fails(dnsmessage.RCodeSuccess), nil, dnsmessage.RCodeServerFailure},
		{"nonsense", "nameserver\nnameserver here\nnonsense\nnameserver 127.0.0.11", fails(dnsmessage.RCodeSuccess), nil, dnsmessage.RCodeSuccess},
	}
	for _, test := range tests {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(test.name+", "+network, func(t *testing.T) {
				sandbox.File(t, "/etc/resolv.conf", test.conf)
				for address, answer := range map[string]func(string, []byte) []byte{"127.0.0.11": test.one, "127.0.0.12": test.two} {
					if answer != nil {
						upstreamAt(t, address, answer)
					}
				}
				serve(t)
				if m := unpack(t, ask(t, network, own[0], question(t, "www.", dnsmessage.TypeA))); m.RCode != test.want {
					t.Errorf("got %v, want %v", m.RCode, test.want)
				}
			})
		}
	}
}
