// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/shuttle"
)

// Sizes of the links that NewTopology makes, in bytes.
const (
	MTU       = 1500
	NarrowMTU = 1400 // of the wire to far
)

// GuestMAC is the address of the guest's NIC.
var GuestMAC = net.HardwareAddr{0x02, 0xf0, 0x0d, 0x00, 0x00, 0x01}

// FarAddresses is how many addresses far has in each family: one for each probe that must find a
// path whose MTU isn't known yet.
const FarAddresses = 8

// A Topology is a pod with its surroundings; see the package comment for the picture.
type Topology struct {
	Guest, Pod, Node, Client, Far *Namespace
}

// NewTopology makes all five namespaces and everything in them except what carries the guest's frames: tap0
// in the pod, and the guest's NIC, which Plug adds.
func NewTopology(t testing.TB) *Topology {
	t.Helper()
	n := &Topology{
		Guest:  NewNamespace(t, "guest"),
		Pod:    NewNamespace(t, "pod"),
		Node:   NewNamespace(t, "node"),
		Client: NewNamespace(t, "client"),
		Far:    NewNamespace(t, "far"),
	}
	Connect(t, n.Node, "cni0", n.Pod, "eth0", MTU)
	Connect(t, n.Node, "eth0", n.Client, "eth0", MTU)
	Connect(t, n.Node, "eth1", n.Far, "eth0", NarrowMTU)
	n.Node.DisableOffloads(t, "eth1")
	n.Far.DisableOffloads(t, "eth0")
	n.Node.Sysctl(t, "net/ipv4/ip_forward", "1")
	n.Node.Sysctl(t, "net/ipv6/conf/all/forwarding", "1")

	for _, family := range []Family{IPv4, IPv6} {
		n.address(t, family)
	}
	return n
}

func (n *Topology) address(t testing.TB, f Family) {
	t.Helper()
	n.Node.Address(t, "cni0", f.Node)
	n.Node.Address(t, "eth0", f.clientRouter)
	n.Node.Address(t, "eth1", f.farRouter)
	// Outside, anyone may have a route to the guest's private network.
	n.Pod.Address(t, "eth0", f.Pod)
	n.Node.Route(t, f.Guest.Masked(), f.Pod.Addr())

	n.Client.Address(t, "eth0", f.Client)
	far := f.Far
	for range FarAddresses {
		n.Far.Address(t, "eth0", far)
		far = netip.PrefixFrom(far.Addr().Next(), far.Bits())
	}
	n.Pod.Route(t, f.everything, f.Node.Addr())
	n.Client.Route(t, f.everything, f.clientRouter.Addr())
	n.Far.Route(t, f.everything, f.farRouter.Addr())
}

// Plug gives the guest its NIC, eth0 with GuestMAC, joined to the pod's tap0, which must exist and be up, until
// the test ends.
func (n *Topology) Plug(t testing.TB) {
	t.Helper()
	podTap, err := shuttle.Open(n.Pod, "tap0")
	if err != nil {
		t.Fatalf("opening the pod's end: %v", err)
	}
	t.Cleanup(func() { podTap.Close() })
	guestTap, err := shuttle.Open(n.Guest, "eth0")
	if err != nil {
		t.Fatalf("opening the guest's end: %v", err)
	}
	t.Cleanup(func() { guestTap.Close() })

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- shuttle.Join(ctx, podTap, guestTap) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("shuttle between tap0 and the guest: %v", err)
		}
	})

	n.Guest.Must(t, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkSetHardwareAddr(link, GuestMAC)
	})
	n.Guest.Up(t, "eth0")
	n.Pod.awaitCarrier(t, "tap0")
	for _, f := range []Family{IPv4, IPv6} {
		n.Guest.Address(t, "eth0", f.Guest)
		n.Guest.Route(t, f.everything, f.Gateway.Addr())
	}
}
