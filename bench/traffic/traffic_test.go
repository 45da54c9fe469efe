// SPDX-License-Identifier: Apache-2.0

package traffic_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/bench"
	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/traffic"
	"github.com/tapir-vm/tapir/internal/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

const (
	servicePort = 9000
	// flows are more than one remote address has.
	flows = 1<<15 + 2
)

func newNetwork(t testing.TB) *lab.Network {
	t.Helper()
	network, err := lab.New(1500)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	})
	return network
}

// receive returns the remote ends of datagrams that the kernel accepted: their checksums are right.
func receive(t *testing.T, namespace *lab.Namespace, at netip.AddrPort) *net.UDPConn {
	t.Helper()
	var socket *net.UDPConn
	err := namespace.Run(func() (err error) {
		socket, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return socket
}

func TestGeneratorTakesFlowsInTurn(t *testing.T) {
	network := newNetwork(t)
	socket := receive(t, network.Pod, netip.AddrPortFrom(lab.Pod.Addr(), servicePort))
	g, err := traffic.NewGenerator(network, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Send(5); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		_, from, err := socket.ReadFromUDPAddrPort(make([]byte, 100))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("198.18.0.0:%d", 1024+i%3); from.String() != want {
			t.Errorf("packet %d: from %s, want %s", i, from, want)
		}
	}
}

// Through a datapath that changes nothing, every packet that is written is counted.
func TestCounterCountsWhatWriterWrites(t *testing.T) {
	network := newNetwork(t)
	for _, d := range bench.Datapaths() {
		if d.Name() != "mirred" {
			continue
		}
		var err error
		if network.Guest, err = d.Join(network, bench.Conditions{MTU: network.MTU}); err != nil {
			t.Fatal(err)
		}
	}
	tap, err := network.OpenTap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	counter, err := traffic.NewCounter(network)
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	for _, whole := range []bool{false, true} {
		before, err := counter.Count()
		if err != nil {
			t.Fatal(err)
		}
		sent, err := traffic.NewWriter(network, tap, flows, whole).Run(t.Context(), time.Now().Add(100*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if counted, err := counter.Count(); err != nil || counted-before != sent || sent == 0 {
			t.Errorf("whole checksums %t: counted %d of %d packets, %v", whole, counted-before, sent, err)
		}
	}
}
