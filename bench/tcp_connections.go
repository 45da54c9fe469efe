// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
)

// tcpConnections opens connections that stay open: how fast, and how many of them still work at the end. In the
// manner of RFC 3511, 5.2 and 5.3, with a number that is fixed: more than Tapir's table holds flows by default.
//
// Nobody accepts them, so that the guest's end takes no file: its kernel acknowledges what comes.
type tcpConnections struct{ count int }

func (l tcpConnections) Name() string { return "tcp-connections" }
func (l tcpConnections) About() string {
	return fmt.Sprintf("%d connections to the guest that stay open, then a byte over each", l.count)
}

var (
	setUpRate = report.Metric{Name: "rate", Unit: "1/s", HigherIsBetter: true}
	held      = report.Metric{Name: "held", Unit: "%", HigherIsBetter: true}
)

func (tcpConnections) Metrics() []report.Metric { return []report.Metric{setUpRate, held} }
func (tcpConnections) Conditions() Conditions   { return Conditions{MTU: normalMTU} }

const (
	connectionsPort = 5004
	openers         = 8    // threads that open connections, so that it is not latency that is measured
	otherFiles      = 1000 // of this process
)

// Lacks asks for a file for each connection; the runtime has raised the soft limit to the hard one.
func (l tcpConnections) Lacks() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("asking for the limit of open files: %w", err)
	}
	if need := uint64(l.count + otherFiles); limit.Max < need {
		return fmt.Errorf("it opens %d files, and the limit is %d: raise ulimit -Hn", need, limit.Max)
	}
	return nil
}

func (l tcpConnections) Start(ctx context.Context, network *lab.Network) (Meter, error) {
	guest, err := network.Plug(ctx)
	if err != nil {
		return nil, err
	}
	return &connections{network.Peer, guest, l.count}, nil
}

type connections struct {
	peer, guest *lab.Namespace
	count       int
}

func (*connections) Close() error { return nil }

// Measure takes as long as the connections need.
func (m *connections) Measure(ctx context.Context, _ time.Duration) (_ map[string]float64, err error) {
	var listener int
	err = m.guest.Run(func() (err error) {
		listener, err = listen(connectionsPort)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("in the guest: %w", err)
	}
	opened := make([][]int, openers)
	defer func() {
		for _, fds := range opened {
			reset(fds)
		}
		err = errors.Join(err, unix.Close(listener)) // resets what was not accepted
	}()
	if err := unix.Listen(listener, m.count); err != nil {
		return nil, fmt.Errorf("holding %d connections in the guest: %w", m.count, err)
	}
	start := time.Now()
	var group errgroup.Group
	for i := range opened {
		group.Go(func() error {
			return m.peer.On(lab.PeerCPU, func() (err error) {
				opened[i], err = open(ctx, m.count/openers)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	took := time.Since(start)
	all := slices.Concat(opened...)
	working, err := try(ctx, all)
	return map[string]float64{
		setUpRate.Name: float64(len(all)) / took.Seconds(),
		held.Name:      100 * float64(working) / float64(len(all)),
	}, err
}

func open(ctx context.Context, count int) (fds []int, err error) {
	for len(fds) < count && ctx.Err() == nil {
		fd, err := connect(netip.AddrPortFrom(lab.Pod.Addr(), connectionsPort))
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
	}
	return fds, ctx.Err()
}

// try sends a byte over each connection, and counts those where it is acknowledged, until for some time none was.
func try(ctx context.Context, fds []int) (working int, err error) {
	const silence = 2 * time.Second
	var waiting []int
	for _, fd := range fds {
		if _, err := unix.Write(fd, []byte{0}); err == nil { // else it was reset
			waiting = append(waiting, fd)
		}
	}
	for last := time.Now(); len(waiting) > 0 && time.Since(last) < silence; {
		var silent []int
		for _, fd := range waiting {
			unacknowledged, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
			switch {
			case err != nil:
				return working, fmt.Errorf("asking what a connection has sent: %w", err)
			case unacknowledged > 0:
				silent = append(silent, fd)
			default:
				working, last = working+1, time.Now()
			}
		}
		waiting = silent
		if err := sleep(ctx, time.Millisecond); err != nil {
			return working, err
		}
	}
	return working, nil
}

// reset closes connections without a goodbye: thousands that wait for the other end's would take all ports.
func reset(fds []int) {
	for _, fd := range fds {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(fd) // nothing was written that is still wanted
	}
}
