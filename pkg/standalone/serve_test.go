// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/internal/sandbox"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// serve runs the pod's server for the time of a test.
func serve(t *testing.T, p *Pod, j *journal) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	server, err := p.Listen(ctx, j.logger())
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(ctx) })
	t.Cleanup(func() {
		cancel()
		serving.Wait()
		if j.contains("ERROR") {
			t.Error("the server has failed")
		}
	})
}

// resolver asks one name server from inside a namespace, by UDP, or by TCP where an answer was truncated.
func resolver(in *nstest.Namespace, server netip.Addr) *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return nstest.Run(in, func() (net.Conn, error) {
				var dialer net.Dialer
				return dialer.DialContext(ctx, network, netip.AddrPortFrom(server, 53).String())
			})
		},
	}
}

// answerAll runs a name server in the outside, which says of every name that it is there.
func answerAll(t *testing.T, outside *nstest.Namespace) {
	t.Helper()
	server := outside.ListenUDP(t, netip.AddrPortFrom(outside4.Addr(), 53))
	go func() {
		for buffer := make([]byte, 1500); ; {
			n, client, err := server.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if m.Questions[0].Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
					Body:   &dnsmessage.AResource{A: outside4.Addr().As4()},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = server.WriteToUDPAddrPort(answer, client)
			}
		}
	}()
}

// What the host resolves, its guests do.
func TestNames(t *testing.T) {
	_, outside := uplink(t, 1400)
	sandbox.File(t, "/etc/hosts", "192.0.2.7 tapirtest-seven.example\n127.0.1.1 tapirtest-host\n")
	sandbox.File(t, "/etc/resolv.conf", "nameserver "+outside4.Addr().String()+"\n")
	answerAll(t, outside)
	p := makePod(t, "web")
	in := enter(t, p)
	serve(t, p, new(journal))

	for _, server := range p.Nameservers() {
		r := resolver(in, server)
		waitForServer(t, in, server)
		if got, err := r.LookupHost(t.Context(), "www.tapirtest.example."); err != nil || !slices.Equal(got, []string{outside4.Addr().String()}) {
			t.Errorf("by %s: a name of the outside: got %v, %v", server, got, err)
		}
		for name, want := range map[string]string{"tapirtest-seven.example.": "192.0.2.7", "tapirtest-host.": p.Gateway4.String()} {
			if got := lookup(t, in, server, name); got != want {
				t.Errorf("by %s: %s: got %s, want %s", server, name, got, want)
			}
		}
	}
}

// waitForServer returns when a name server takes connections.
func waitForServer(t *testing.T, in *nstest.Namespace, server netip.Addr) {
	t.Helper()
	for t.Context().Err() == nil {
		conn, err := nstest.Run(in, func() (net.Conn, error) { return net.Dial("tcp", netip.AddrPortFrom(server, 53).String()) })
		if err == nil {
			conn.Close()
			return
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// lookup asks for an IPv4 address without looking into /etc/hosts itself, as net.Resolver does.
func lookup(t *testing.T, in *nstest.Namespace, server netip.Addr, name string) string {
	t.Helper()
	client, err := in.DialUDP(netip.AddrPort{}, netip.AddrPortFrom(server, 53))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(packed); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1500)
	n, err := client.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	var answer dnsmessage.Message
	if err := answer.Unpack(buffer[:n]); err != nil || len(answer.Answers) != 1 {
		t.Fatalf("got %v, %v, want one answer", answer, err)
	}
	return netip.AddrFrom4(answer.Answers[0].Body.(*dnsmessage.AResource).A).String()
}

// Neither another pod nor the outside reaches a pod's name server, which has the same address for all.
func TestNamesForOnePod(t *testing.T) {
	_, outside := uplink(t, 1400)
	a, b := makePod(t, "a"), makePod(t, "b")
	inA, inB := enter(t, a), enter(t, b)
	serve(t, a, new(journal))
	for _, server := range a.Nameservers() {
		via, all := host4.Addr(), netip.PrefixFrom(server, server.BitLen())
		if server.Is6() {
			via = host6.Addr()
		}
		outside.Route(t, all, via)
		waitForServer(t, inA, server)
		for name, in := range map[string]*nstest.Namespace{"another pod": inB, "the outside": outside} {
			_, err := in.DialTCP(netip.AddrPort{}, netip.AddrPortFrom(server, 53))
			if !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("%s asks %s: got %v, want it refused", name, server, err)
			}
		}
	}
}

// A firewall that flushes all rules and loads its own doesn't cut guests off for good, not even those whose name
// server has failed.
func TestFlushedRules(t *testing.T) {
	_, outside := uplink(t, 1400)
	p := makePod(t, "web")
	in := enter(t, p)
	at := netip.AddrPortFrom(outside4.Addr(), 8080)
	outside.ServeTCP(t, at)
	run(t, "nft", "flush", "ruleset")
	if there, err := translating(); there || err != nil {
		t.Fatalf("translating: got %v, %v", there, err)
	}
	var j journal
	server, err := p.Listen(t.Context(), j.logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	over, end := context.WithCancel(t.Context())
	end()
	_ = server.names.Serve(over) // closes its sockets
	serving.Go(func() { server.Serve(ctx) })
	for there := false; !there; time.Sleep(10 * time.Millisecond) {
		var err error
		if there, err = translating(); err != nil || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	client, err := in.DialTCP(netip.AddrPort{}, at)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if client.Seen.Addr() != host4.Addr() {
		t.Errorf("the outside sees %s, want %s", client.Seen.Addr(), host4.Addr())
	}
	if !j.contains("putting it back") {
		t.Error("nothing was logged")
	}
	if !j.contains("the name server has failed") {
		t.Error("the name server's failure was not logged")
	}
}
