// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A flood sends numbered datagrams one way and finds out whether each one arrives, once. It never has more on the
// way than every queue between has room for, so that it doesn't matter how fast the machine is.
type flood struct {
	name     string
	size     int
	stop     chan struct{}
	arrived  chan struct{}
	sent     atomic.Int64
	received atomic.Int64
	sender   sync.WaitGroup
}

const floodWindow = 32

// send starts the flood: write sends a datagram.
func (f *flood) send(t *testing.T, write func([]byte) error) {
	f.stop, f.arrived = make(chan struct{}), make(chan struct{}, 1)
	f.sender.Go(func() {
		payload := make([]byte, f.size)
		for n := int64(0); ; n++ {
			if !f.await(n - floodWindow) {
				t.Errorf("%s: %d datagrams sent, only %d have arrived", f.name, f.sent.Load(), f.received.Load())
				return
			}
			select {
			case <-f.stop:
				return
			default:
			}
			binary.BigEndian.PutUint64(payload, uint64(n))
			if err := write(payload); err != nil {
				t.Errorf("%s: sending datagram %d: %v", f.name, n, err)
				return
			}
			f.sent.Add(1)
		}
	})
}

// await waits until more than n datagrams have arrived; it gives up when nothing arrives for long.
func (f *flood) await(n int64) bool {
	for f.received.Load() <= n {
		select {
		case <-f.arrived:
		case <-time.After(2 * nstest.Patience):
			return false
		}
	}
	return true
}

// receive counts what arrives until the socket is closed: read returns the length of a datagram.
func (f *flood) receive(t *testing.T, read func([]byte) (int, error)) {
	payload, seen := make([]byte, 1<<16), map[uint64]bool{}
	for {
		size, err := read(payload)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		number := binary.BigEndian.Uint64(payload)
		if err != nil || size != f.size || seen[number] {
			t.Errorf("%s: receiving: %v, %d bytes, number %d (seen before: %t)", f.name, err, size, number, seen[number])
			return
		}
		seen[number] = true
		f.received.Add(1)
		select {
		case f.arrived <- struct{}{}:
		default:
		}
	}
}

// end stops the flood and fails the test unless all of it has arrived.
func (f *flood) end(t *testing.T) {
	t.Helper()
	close(f.stop)
	f.sender.Wait()
	if !f.await(f.sent.Load() - 1) {
		t.Errorf("%s: %d datagrams of %d are lost", f.name, f.sent.Load()-f.received.Load(), f.sent.Load())
	}
	t.Logf("%s: %d datagrams", f.name, f.received.Load())
}

// floodBothWays opens a flow from one namespace to a listener in another, and floods it in both directions. Each
// datagram has so many bytes.
func floodBothWays(t *testing.T, name string, from, to *nstest.Namespace, at, listen netip.AddrPort, size int) []*flood {
	t.Helper()
	server := to.ListenUDP(t, listen)
	client, err := from.DialUDP(netip.AddrPort{}, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	greet := func() (netip.AddrPort, error) {
		if _, err := client.Write([]byte("hello")); err != nil {
			return netip.AddrPort{}, err
		}
		if err := server.SetReadDeadline(time.Now().Add(nstest.Patience)); err != nil {
			return netip.AddrPort{}, err
		}
		_, peer, err := server.ReadFromUDPAddrPort(make([]byte, 16))
		return peer, errors.Join(err, server.SetReadDeadline(time.Time{}))
	}
	peer, err := greet()
	if err != nil {
		t.Fatalf("%s: opening the flow: %v", name, err)
	}
	forth, back := &flood{name: name + ", forth", size: size}, &flood{name: name + ", back", size: size}
	forth.send(t, func(p []byte) error { _, err := client.Write(p); return err })
	back.send(t, func(p []byte) error { _, err := server.WriteToUDPAddrPort(p, peer); return err })
	go forth.receive(t, func(p []byte) (int, error) { n, _, err := server.ReadFromUDPAddrPort(p); return n, err })
	go back.receive(t, client.Read)
	return []*flood{forth, back}
}
