// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// guestStream is tcpStream with a real guest.
type guestStream struct{ direction string }

func (l guestStream) Name() string { return "guest-stream-" + l.direction }
func (l guestStream) About() string {
	if l.direction == in {
		return "bulk data to a QEMU guest over TCP"
	}
	return "bulk data from a QEMU guest over TCP"
}
func (guestStream) Metrics() []report.Metric { return []report.Metric{throughput, cpuPerGB} }
func (guestStream) Conditions() Conditions   { return Conditions{MTU: normalMTU} }
func (guestStream) Lacks() error             { return guestLacks() }

func (l guestStream) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	if err := boot(ctx, network); err != nil {
		return nil, err
	}
	return &guestMeter{network.Peer, l.direction}, nil
}

type guestMeter struct {
	peer      *lab.Namespace
	direction string
}

func (*guestMeter) Close() error { return nil }

func (m *guestMeter) Measure(ctx context.Context, d time.Duration) (sample map[string]float64, err error) {
	c, err := m.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	// What is still queued for a slow guest goes at the end: else it would disturb the next round.
	if err := errors.Join(c.SetLinger(0), c.SetDeadline(time.Now().Add(patience+2*d))); err != nil {
		return nil, err
	}
	var received atomic.Int64
	count, move := func() (int64, error) { return received.Load(), nil }, c.Read
	if m.direction == in {
		count, move = func() (int64, error) { return acknowledged(c) }, c.Write
	} else if _, err := c.Read(make([]byte, 1)); err != nil { // an emulated guest takes its time to start what sends
		return nil, fmt.Errorf("waiting for the guest to send: %w", err)
	}
	ctx, end := context.WithCancelCause(ctx)
	go func() { end(stream(move, &received)) }()
	if err = sleep(ctx, time.Duration(rampUp*float64(d))); err == nil {
		sample, err = watch(ctx, count, d)
	}
	if ctx.Err() != nil { // it ended by itself, and knows why
		return nil, context.Cause(ctx)
	}
	c.Close()
	<-ctx.Done()
	return sample, err
}

// stream moves data until that fails.
func stream(move func([]byte) (int, error), moved *atomic.Int64) error {
	data := make([]byte, chunk)
	for {
		n, err := move(data)
		moved.Add(int64(n))
		if err != nil {
			return fmt.Errorf("streaming: %w", err)
		}
	}
}

func (m *guestMeter) dial(ctx context.Context) (*net.TCPConn, error) {
	port := uint16(chargenPort)
	if m.direction == in {
		port = discardPort
	}
	var c net.Conn
	err := m.peer.Run(func() (err error) {
		address := netip.AddrPortFrom(lab.Pod.Addr(), port).String()
		c, err = (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp4", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to the guest: %w", err)
	}
	return c.(*net.TCPConn), nil
}

// acknowledged is how many bytes the other end has: what a socket has taken says little of a guest that is slow.
func acknowledged(c *net.TCPConn) (bytes int64, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var info *unix.TCPInfo
	var failed error
	err = raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("asking how much the guest has acknowledged: %w", err)
	}
	return int64(info.Bytes_acked), nil
}
