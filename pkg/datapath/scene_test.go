// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

const (
	servedPort = 8080 // of the guest, TCP and UDP
	remotePort = 9000 // of the client, TCP and UDP
)

// newScene attaches a datapath in a pod, plugs a guest in, and starts servers on guest and client.
func newScene(t *testing.T, change func(*Config)) (*nstest.Topology, Config) {
	t.Helper()
	n := nstest.NewTopology(t)
	cfg := config(n.Pod)
	change(&cfg)
	attach(t, cfg)
	n.Plug(t)
	serve(t, n)
	return n, cfg
}

// serve starts the servers, and waits until the guest can be reached.
func serve(t *testing.T, n *nstest.Topology) {
	t.Helper()
	for _, f := range both {
		n.Guest.ServeTCP(t, netip.AddrPortFrom(f.Guest.Addr(), servedPort))
		n.Guest.ServeUDP(t, netip.AddrPortFrom(f.Guest.Addr(), servedPort))
		n.Client.ServeTCP(t, netip.AddrPortFrom(f.Client.Addr(), remotePort))
		n.Client.ServeUDP(t, netip.AddrPortFrom(f.Client.Addr(), remotePort))
	}
	for _, f := range both {
		awaitGuest(t, n, f)
	}
}

// awaitGuest waits until the guest's kernel uses its new address.
func awaitGuest(t *testing.T, n *nstest.Topology, f nstest.Family) {
	t.Helper()
	client := dialUDP(t, n.Client, netip.AddrPortFrom(f.Pod.Addr(), servedPort))
	for deadline := time.Now().Add(4 * nstest.Patience); ; {
		_, err := nstest.ExchangeUDP(client, []byte("are you there?"))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the guest doesn't answer over %s: %v", f.Name, err)
		}
	}
}

func dialUDP(t *testing.T, from *nstest.Namespace, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	client, err := from.DialUDP(netip.AddrPort{}, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}
