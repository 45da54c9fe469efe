// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long helpers wait for an answer before they call it a timeout. It outlasts one
// retransmitted SYN (1 s).
const Patience = 2500 * time.Millisecond

// bulkPatience is how long much data may take on a busy machine.
const bulkPatience = 15 * time.Second

// ServeTCP answers on an address until the test ends: it tells each client whom it sees (an address with
// port, and a newline), then sends back whatever comes.
func (n *Namespace) ServeTCP(t testing.TB, at netip.AddrPort) {
	t.Helper()
	listener, err := Run(n, func() (*net.TCPListener, error) {
		return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	})
	if err != nil {
		t.Fatalf("serving TCP on %s: %v", at, err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.AcceptTCP()
			if err != nil {
				return // closed
			}
			go echo(t.Context(), client)
		}
	}()
}

func echo(ctx context.Context, client *net.TCPConn) {
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	if _, err := fmt.Fprintln(client, client.RemoteAddr()); err == nil {
		// The client sees a connection that broke.
		_, _ = io.Copy(client, client)
	}
}

// A TCPClient is a connection to ServeTCP.
type TCPClient struct {
	net.Conn
	Seen   netip.AddrPort // whom the server sees
	reader *bufio.Reader  // after the greeting
}

// DialTCP connects to ServeTCP; local may be zero, or have a zero port.
func (n *Namespace) DialTCP(local, to netip.AddrPort) (*TCPClient, error) {
	dialer := net.Dialer{Timeout: Patience, Control: reuseAddress}
	if local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	connection, err := Run(n, func() (net.Conn, error) {
		return dialer.DialContext(context.Background(), "tcp", to.String())
	})
	if err != nil {
		return nil, err
	}
	client, err := greet(connection)
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return client, nil
}

func greet(connection net.Conn) (*TCPClient, error) {
	if err := connection.SetDeadline(time.Now().Add(Patience)); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(connection)
	line, err := reader.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("waiting for the server's greeting: %w", err)
	}
	seen, err := netip.ParseAddrPort(strings.TrimSpace(line))
	if err != nil {
		return nil, fmt.Errorf("reading the server's greeting: %w", err)
	}
	return &TCPClient{connection, seen, reader}, nil
}

// Echo sends data and waits until the server has sent all of it back.
func (c *TCPClient) Echo(data []byte) error {
	if err := c.SetDeadline(time.Now().Add(bulkPatience)); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- err
	}()
	echo := make([]byte, len(data))
	if _, err := io.ReadFull(c.reader, echo); err != nil {
		c.Close()
		return errors.Join(err, <-sent)
	}
	if !bytes.Equal(echo, data) {
		return errors.New("the echo differs from what was sent")
	}
	return <-sent
}

// reuseAddress lets a probe take a port that an earlier one left in TIME_WAIT.
func reuseAddress(_, _ string, raw syscall.RawConn) error {
	return control(raw, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	})
}
