// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// tcpStream is bulk data over long-lived connections.
type tcpStream struct {
	direction   string
	connections int
	mtu         int
}

func (l tcpStream) Name() string {
	name := fmt.Sprintf("tcp-stream-%s-%d", l.direction, l.connections)
	if l.mtu != normalMTU {
		name += fmt.Sprintf("-mtu%d", l.mtu)
	}
	return name
}

func (l tcpStream) About() string {
	way := "from"
	if l.direction == in {
		way = "to"
	}
	return fmt.Sprintf("bulk data %s the guest over TCP, %d at once, MTU %d", way, l.connections, l.mtu)
}

var (
	throughput = report.Metric{Name: "throughput", Unit: "Gbit/s", HigherIsBetter: true}
	cpuPerGB   = report.Metric{Name: "cpu", Unit: "s/GB"}
)

func (l tcpStream) Metrics() []report.Metric { return []report.Metric{throughput, cpuPerGB} }
func (l tcpStream) Conditions() Conditions   { return Conditions{MTU: l.mtu} }

const (
	streamPort = 5001
	chunk      = 128 << 10 // of one system call
	// rampUp is the part of a measurement that comes before the figures: connections grow their windows.
	rampUp = 0.2
)

func (l tcpStream) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	guest, err := network.Plug(ctx)
	if err != nil {
		return nil, err
	}
	return l.between(network.Peer, guest)
}

// between puts the receiver of connections in the guest.
func (l tcpStream) between(peer, guest *lab.Namespace) (*streams, error) {
	m := &streams{peer: peer, load: l}
	err := guest.Run(func() (err error) {
		m.listener, err = net.ListenTCP("tcp4", &net.TCPAddr{Port: streamPort})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening in the guest: %w", err)
	}
	return m, nil
}

// streams makes its connections anew each time: the peer's, whichever way the data flows.
type streams struct {
	peer     *lab.Namespace
	listener *net.TCPListener
	load     tcpStream
}

func (m *streams) Close() error { return m.listener.Close() }

func (m *streams) Measure(ctx context.Context, d time.Duration) (map[string]float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // closes what is still open
	var senders, receivers []net.Conn
	for range m.load.connections {
		from, to, err := m.connect(ctx)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { from.Close(); to.Close() })
		senders, receivers = append(senders, from), append(receivers, to)
	}
	ramp := time.Duration(rampUp * float64(d))
	end := time.Now().Add(ramp + d)
	group, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, cancel)
	var received atomic.Int64
	for i := range senders {
		group.Go(func() error { return errors.Join(send(senders[i], end), senders[i].Close()) })
		group.Go(func() error { return receive(receivers[i], &received) })
	}
	var sample map[string]float64
	group.Go(func() (err error) {
		if err = sleep(ctx, ramp); err == nil {
			sample, err = watch(ctx, func() (int64, error) { return received.Load(), nil }, d)
		}
		return err
	})
	return sample, group.Wait()
}

// connect returns the sender's and the receiver's end.
func (m *streams) connect(ctx context.Context) (from, to net.Conn, err error) {
	err = m.peer.Run(func() (err error) {
		address := netip.AddrPortFrom(lab.Pod.Addr(), streamPort).String()
		from, err = (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp4", address)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the guest: %w", err)
	}
	// At once, as a rule: the connection is there. A proxy may say so before it is.
	stop := context.AfterFunc(ctx, func() { _ = m.listener.SetDeadline(time.Unix(1, 0)) })
	if err = m.listener.SetDeadline(time.Now().Add(patience)); err == nil {
		to, err = m.listener.Accept()
	}
	stop()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("accepting a connection in the guest: %w", err), from.Close())
	}
	if m.load.direction == out {
		from, to = to, from
	}
	return from, to, nil
}

// watch takes the figures; count tells how many bytes have come.
func watch(ctx context.Context, count func() (int64, error), d time.Duration) (map[string]float64, error) {
	clock, err := startClock()
	if err != nil {
		return nil, err
	}
	first, err := count()
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, d); err != nil {
		return nil, err
	}
	last, err := count()
	if err != nil {
		return nil, err
	}
	took, busy, err := clock.stop()
	if err != nil {
		return nil, err
	}
	if last == first {
		return nil, errNothing
	}
	bytes := float64(last - first)
	return map[string]float64{
		throughput.Name: bytes * 8 / 1e9 / took.Seconds(),
		cpuPerGB.Name:   busy.Seconds() / (bytes / 1e9),
	}, nil
}

func send(c net.Conn, end time.Time) error {
	data := make([]byte, chunk)
	for time.Now().Before(end) {
		if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := c.Write(data); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	return nil
}

// receive reads until the sender closes.
func receive(c net.Conn, received *atomic.Int64) error {
	data := make([]byte, chunk)
	for {
		n, err := c.Read(data)
		received.Add(int64(n))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
	}
}
