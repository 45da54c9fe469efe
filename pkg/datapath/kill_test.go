// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Packets don't depend on the process that attached: transfers in both directions end intact although it is
// killed meanwhile, each time somewhere in the midst of attaching again. So does what comes after them.
func TestTransferOutlivesAttacher(t *testing.T) {
	for name, way := range map[string]func(*Config){"tc": func(*Config) {}, "peer": withPeer, "xdp": withXDP} {
		t.Run(name, func(t *testing.T) {
			n, cfg := newScene(t, way)
			transferOutlivesAttacher(t, n, cfg)
			datagramsCross(t, n)
		})
	}
}

func transferOutlivesAttacher(t *testing.T, n *nstest.Topology, cfg Config) {
	t.Helper()
	other := cfg
	other.MTU = 1450
	var transfers []*nstest.TCPClient
	for _, f := range both {
		for _, end := range []struct {
			from *nstest.Namespace
			to   netip.AddrPort
		}{
			{n.Client, netip.AddrPortFrom(f.Pod.Addr(), servedPort)},
			{n.Guest, netip.AddrPortFrom(f.Client.Addr(), remotePort)},
		} {
			transfer, err := end.from.DialTCP(netip.AddrPort{}, end.to)
			if err != nil {
				t.Fatal(err)
			}
			defer transfer.Close()
			transfers = append(transfers, transfer)
		}
	}
	data := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	for i := range 8 {
		a := startAttacher(t, other, cfg)
		a.await(t, "attached", 1)
		ended := make(chan error)
		for _, transfer := range transfers {
			go func() { ended <- transfer.Echo(data) }()
		}
		time.Sleep(time.Duration(i) * 10 * time.Millisecond) // somewhere else each time
		a.kill()
		for range transfers {
			if err := <-ended; err != nil {
				t.Errorf("round %d: %v", i, err)
			}
		}
		again(t, cfg)
		if s := status(t, cfg); !s.Healthy || s.Config.MTU != 0 {
			t.Errorf("round %d: after attaching again: %+v", i, s)
		}
	}
}

// datagramsCross sends UDP and pings of several sizes both ways: each must be answered with what it held. The largest are
// fragmented.
func datagramsCross(t *testing.T, n *nstest.Topology) {
	t.Helper()
	for _, f := range both {
		for _, end := range []struct {
			from     *nstest.Namespace
			own, to  netip.Addr
			listener uint16
		}{
			{n.Client, f.Client.Addr(), f.Pod.Addr(), servedPort},
			{n.Guest, f.Guest.Addr(), f.Client.Addr(), remotePort},
		} {
			socket := dialUDP(t, end.from, netip.AddrPortFrom(end.to, end.listener))
			for _, size := range []int{1, 64, 1400, 8000} {
				payload := make([]byte, size)
				rand.NewChaCha8([32]byte{}).Read(payload)
				if _, err := nstest.ExchangeUDP(socket, payload); err != nil {
					t.Errorf("UDP, %d bytes to %s: %v", size, end.to, err)
				}
				if err := end.from.Ping(nstest.Ping{From: end.own, To: end.to, ID: size, Size: size}); err != nil {
					t.Errorf("ping, %d bytes to %s: %v", size, end.to, err)
				}
			}
		}
	}
}

// Whenever a first Attach is killed, Detach finds all that it has made, and attaching again completes it.
func TestAttachKilledAnywhere(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	for name, prepare := range map[string]func(){
		"tap to make":  func() {},
		"existing tap": func() { pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr") },
	} {
		t.Run(name, func(t *testing.T) {
			prepare()
			before := look(t, pod)
			cfg := config(pod)
			for i := range 25 {
				a := startAttacher(t, cfg)
				a.await(t, "begin", 1)
				time.Sleep(time.Duration(i) * 8 * time.Millisecond)
				a.kill()
				if i%4 == 3 {
					again(t, cfg)
					if s := status(t, cfg); !s.Healthy {
						t.Errorf("round %d: after attaching again: %+v", i, s)
					}
				}
				detach(t, cfg)
				before.unchanged(t, pod)
				if t.Failed() {
					t.Fatalf("this was round %d", i)
				}
			}
		})
	}
}
