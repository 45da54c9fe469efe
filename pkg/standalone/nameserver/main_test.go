// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/sandbox"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

var own = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}

// serve runs a server on the loopback device for the time of a test. Every test has the same /etc/hosts: the
// standard library doesn't look at it again for 5 s.
func serve(t *testing.T) {
	t.Helper()
	sandbox.File(t, "/etc/hosts", hostsFile)
	ctx, cancel := context.WithCancel(t.Context())
	server, err := Listen(ctx, "lo", own, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
}

// An upstream is a name server of the host: what it was asked, and what it answers to it.
type upstream struct {
	answer func(network string, query []byte) []byte

	mu    sync.Mutex
	asked []string
}

func (u *upstream) handle(network string, query []byte) []byte {
	u.mu.Lock()
	u.asked = append(u.asked, network)
	u.mu.Unlock()
	return u.answer(network, query)
}

// queries lists the networks by which it was asked.
func (u *upstream) queries() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.asked)
}

// upstreamAt starts a name server; answer may return nil for silence.
func upstreamAt(t *testing.T, address string, answer func(network string, query []byte) []byte) *upstream {
	t.Helper()
	u := &upstream{answer: answer}
	at := net.JoinHostPort(address, "53")
	udp, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		err := errors.Join(udp.Close(), tcp.Close())
		serving.Wait()
		if err != nil {
			t.Error(err)
		}
	})
	serving.Go(func() {
		for buffer := make([]byte, maxMessage); ; {
			n, client, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := u.handle("udp", buffer[:n]); answer != nil {
				_, _ = udp.WriteTo(answer, client)
			}
		}
	})
	serving.Go(func() {
		for {
			client, err := tcp.Accept()
			if err != nil {
				return
			}
			if query, err := readMessage(client); err == nil {
				if answer := u.handle("tcp", query); answer != nil {
					_ = writeMessage(client, answer)
				}
			}
			client.Close()
		}
	})
	return u
}

// ask sends a message to the server and returns what it answers.
func ask(t *testing.T, network string, server netip.Addr, message []byte) []byte {
	t.Helper()
	conn := dial(t, network, server)
	if network == "tcp" {
		if err := writeMessage(conn, message); err != nil {
			t.Fatal(err)
		}
		answer, err := readMessage(conn)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if _, err := conn.Write(message); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, maxMessage)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return buffer[:n]
}

func dial(t *testing.T, network string, server netip.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, netip.AddrPortFrom(server, port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// Far longer than any answer takes; a lost one ends the test.
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// question packs a query.
func question(t testing.TB, name string, kind dnsmessage.Type, additionals ...dnsmessage.Resource) []byte {
	t.Helper()
	message := dnsmessage.Message{
		Header:      dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions:   []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
		Additionals: additionals,
	}
	packed, err := message.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// edns is the OPT record of a client that takes answers of a size.
func edns(t testing.TB, size int) dnsmessage.Resource {
	t.Helper()
	var header dnsmessage.ResourceHeader
	if err := header.SetEDNS0(size, dnsmessage.RCodeSuccess, true); err != nil {
		t.Fatal(err)
	}
	return dnsmessage.Resource{Header: header, Body: &dnsmessage.OPTResource{}}
}

func unpack(t testing.TB, message []byte) dnsmessage.Message {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(message); err != nil {
		t.Fatalf("the answer %x: %v", message, err)
	}
	return m
}
