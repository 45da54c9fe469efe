// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Attaching again, time after time and with ever other options, loses not one packet and no flow.
func TestUpdateUnderTraffic(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	updateUnderTraffic(t, n, cfg)
}

func updateUnderTraffic(t *testing.T, n *nstest.Topology, cfg Config) {
	const inbound, outbound = 5000, 5001
	var floods []*flood
	stop := make(chan struct{})
	var others sync.WaitGroup
	repeat := func(what string, f func() error) {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					t.Logf("%s: %d times", what, i)
					return
				default:
				}
				if err := f(); err != nil {
					t.Errorf("%s, time %d: %v", what, i, err)
					return
				}
			}
		})
	}
	for _, f := range both {
		floods = append(floods, floodBothWays(t, f.Name+" inbound", n.Client, n.Guest,
			netip.AddrPortFrom(f.Pod.Addr(), inbound), netip.AddrPortFrom(f.Guest.Addr(), inbound), 1000)...)
		floods = append(floods, floodBothWays(t, f.Name+" outbound", n.Guest, n.Client,
			netip.AddrPortFrom(f.Client.Addr(), outbound), netip.AddrPortFrom(f.Client.Addr(), outbound), 1000)...)
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		for name, end := range map[string]struct {
			from *nstest.Namespace
			to   netip.AddrPort
		}{
			"inbound":  {n.Client, netip.AddrPortFrom(f.Pod.Addr(), servedPort)},
			"outbound": {n.Guest, netip.AddrPortFrom(f.Client.Addr(), remotePort)},
		} {
			transfer, err := end.from.DialTCP(netip.AddrPort{}, end.to)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { transfer.Close() })
			repeat(f.Name+" transfer of a MiB, "+name, func() error { return transfer.Echo(data) })
		}
		repeat(f.Name+" ping of the pod", func() error {
			return n.Client.Ping(nstest.Ping{From: f.Client.Addr(), To: f.Pod.Addr(), ID: 7, Size: 56})
		})
		repeat(f.Name+" ping by the guest", func() error {
			return n.Guest.Ping(nstest.Ping{From: f.Guest.Addr(), To: f.Client.Addr(), ID: 8, Size: 56})
		})
	}
	before, began := flowAges(t, cfg), time.Now()

	declared := []Port{{Protocol: "udp", Port: inbound}, {Protocol: "tcp", Port: servedPort}}
	for i := range 50 {
		switch i % 5 {
		case 0:
			cfg.Ports = declared
		case 1:
			cfg.Ports = append(declared, Port{Protocol: "tcp", Port: uint16(1 + i)})
		case 2:
			cfg.MTU = 1500 - i // nothing that is on the way is longer than 1400 bytes, TCP learns it
		case 3:
			cfg.Flows = 1024 << (i / 5 % 2)
		case 4:
			cfg.Ports, cfg.MTU = nil, 0
		}
		again(t, cfg)
	}
	close(stop)
	others.Wait()
	for _, f := range floods {
		f.end(t)
	}
	after, took := flowAges(t, cfg), time.Since(began)
	for flow, age := range before {
		if after[flow] < age+took-time.Second {
			t.Errorf("%s was lost: it is %s old, and was %s before the updates, %s ago", flow, after[flow], age, took)
		}
	}
	s := status(t, cfg)
	if !s.Healthy {
		t.Errorf("status: %+v", s)
	}
	for _, d := range drops(t, cfg) {
		if d.Reason != reasonNames[masqueradeDropReasonDROP_TOO_BIG] {
			t.Errorf("dropped: %+v", d)
		}
	}
}

// flowAges are how long the flows of TCP and UDP are known.
func flowAges(t *testing.T, cfg Config) map[string]time.Duration {
	t.Helper()
	nic := open(t, cfg)
	flows, err := nic.Flows()
	if err != nil {
		t.Fatal(err)
	}
	ages := map[string]time.Duration{}
	for _, f := range flows {
		if f.Proto == "tcp" || f.Proto == "udp" {
			ages[fmt.Sprintf("%s %s:%d %s:%d", f.Proto, f.Guest, f.GuestPort, f.Remote, f.RemotePort)] = f.Age
		}
	}
	return ages
}

func drops(t *testing.T, cfg Config) []Drop {
	t.Helper()
	d, err := open(t, cfg).Drops()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
