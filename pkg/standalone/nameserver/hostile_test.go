// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/internal/sandbox"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

func with(message []byte, change func([]byte)) []byte {
	changed := append([]byte(nil), message...)
	change(changed)
	return changed
}

func TestMalformed(t *testing.T) {
	good := question(t, "www.", dnsmessage.TypeA)
	const none = dnsmessage.RCode(99) // no answer
	tests := []struct {
		name    string
		message []byte
		want    dnsmessage.RCode
	}{
		{"empty", nil, none},
		{"half a header", good[:7], none},
		{"a response", with(good, func(m []byte) { m[2] |= 0x80 }), none},
		{"no question", good[:12], dnsmessage.RCodeFormatError},
		{"no question, and none promised", with(good[:12], func(m []byte) { m[5] = 0 }), dnsmessage.RCodeFormatError},
		{"cut in the name", good[:14], dnsmessage.RCodeFormatError},
		{"more questions than there are", with(good, func(m []byte) { m[4], m[5] = 0xff, 0xff }), dnsmessage.RCodeFormatError},
		{"a name that points to itself", append(good[:12:12], 0xc0, 12, 0, 1, 0, 1), dnsmessage.RCodeFormatError},
		{"more answers than there are", with(good, func(m []byte) { m[7] = 1 }), dnsmessage.RCodeFormatError},
		{"more additionals than there are", with(good, func(m []byte) { m[11] = 1 }), dnsmessage.RCodeFormatError},
		{"update", with(good, func(m []byte) { m[2] |= 5 << 3 }), dnsmessage.RCodeNotImplemented},
		{"zone transfer", question(t, "www.", dnsmessage.TypeAXFR), dnsmessage.RCodeRefused},
		{"incremental zone transfer", question(t, "www.", typeIXFR), dnsmessage.RCodeRefused},
	}
	s := &Server{log: slog.New(slog.DiscardHandler)}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := s.answer(t.Context(), "udp", test.message)
			if test.want == none {
				if answer != nil {
					t.Errorf("got %x, want no answer", answer)
				}
				return
			}
			if m := unpack(t, answer); m.RCode != test.want || !m.Response || m.ID != 4711 {
				t.Errorf("got %v, want %v", m.Header, test.want)
			}
		})
	}
}

// Nothing that a guest sends may crash the process, or make an answer that is no DNS message.
func FuzzParse(f *testing.F) {
	f.Add(question(f, "www.", dnsmessage.TypeA))
	f.Add(question(f, ".", dnsmessage.TypePTR, edns(f, 4096)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		q, code, ok := parse(message)
		if !ok {
			return
		}
		if answer := q.reply("udp", code, nil); answer != nil {
			unpack(t, answer)
		}
	})
}

// A connection that breaks the rules ends; others don't notice.
func TestHostileConnections(t *testing.T) {
	serve(t)
	for name, bytes := range map[string]string{
		"no message at all": "\x00\x00",
		"a response":        "\x00\x0c\x12\x67\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		conn := dial(t, "tcp", own[0])
		if _, err := io.WriteString(conn, bytes); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 100)); n > 0 || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %d bytes, %v, want the connection to end", name, n, err)
		}
	}
	// As many as are served at once, and one more: it is served when another ends.
	var idle []net.Conn
	for range maxConnections {
		idle = append(idle, dial(t, "tcp", own[0]))
	}
	late := dial(t, "tcp", own[0])
	if err := writeMessage(late, question(t, "seven.", dnsmessage.TypeA)); err != nil {
		t.Fatal(err)
	}
	for _, conn := range idle {
		conn.Close()
	}
	answer, err := readMessage(late)
	if err != nil {
		t.Fatal(err)
	}
	if got := data(unpack(t, answer)); len(got) != 1 || got[0] != "192.0.2.7" {
		t.Errorf("got %q", got)
	}
	// A second query on the same connection (RFC 7766 section 6.2.1).
	if err := writeMessage(late, question(t, "eight.", dnsmessage.TypeA)); err != nil {
		t.Fatal(err)
	}
	if answer, err = readMessage(late); err != nil || len(data(unpack(t, answer))) != 1 {
		t.Errorf("the second query: %v", err)
	}
}

// The end of the context ends clients that say nothing, and queries that nobody answers.
func TestEnd(t *testing.T) {
	sandbox.File(t, "/etc/hosts", hostsFile)
	sandbox.File(t, "/etc/resolv.conf", "nameserver 127.0.0.53\n")
	asked := make(chan bool, 1)
	upstreamAt(t, "127.0.0.53", func(string, []byte) []byte {
		asked <- true
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	server, err := Listen(ctx, "lo", own, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx) }()
	idle := dial(t, "tcp", own[0])
	if _, err := dial(t, "udp", own[1]).Write(question(t, "www.", dnsmessage.TypeA)); err != nil {
		t.Fatal(err)
	}
	<-asked
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection is still there")
	}
}

func TestListenFails(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	t.Run("no such device", func(t *testing.T) {
		if _, err := Listen(t.Context(), "none0", own, log); !errors.Is(err, unix.ENODEV) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("another server has every address", func(t *testing.T) {
		other, err := net.Listen("tcp", ":53")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		_, err = Listen(t.Context(), "lo", own, log)
		if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "DNS server of this host") {
			t.Errorf("got %v", err)
		}
	})
	// Neither has kept a socket.
	serve(t)
}
