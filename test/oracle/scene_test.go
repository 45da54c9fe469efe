// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Ports that servers listen on while the probes run, but for the last two.
const (
	declaredTCP   = 8080
	undeclaredTCP = 8081
	migrationTCP  = 49152 // KubeVirt treats this one specially on its loopback path
	declaredUDP   = 8053
	undeclaredUDP = 8054
	remotePort    = 9000 // TCP and UDP, of client and far
	podPort       = 9999 // TCP and UDP: only the pod listens there, on every address of its own
	nobody        = 5555
	firstPort     = 11000 // of those that clients call from
)

// A scene is a network with a datapath in it, as one address family sees it, and with its servers running.
type scene struct {
	t      *testing.T
	family string

	guest, client, far, node host
	pod, gateway, loopback   host // the pod's namespace, by its three addresses

	held      map[string]call // see hold
	oversized *atomic.Int64   // see nstest.Oversized, of the guest's NIC
	lastPort  uint16          // see anyPort
}

// A host is a namespace by one of its addresses.
type host struct {
	*nstest.Namespace
	name    string
	address netip.Addr
}

// at is a port of the host.
func (h host) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(h.address, port) }

func newScene(t *testing.T, network *nstest.Topology, family nstest.Family) *scene {
	s := &scene{
		t:         t,
		family:    family.Name,
		guest:     host{network.Guest, "guest", family.Guest.Addr()},
		client:    host{network.Client, "client", family.Client.Addr()},
		far:       host{network.Far, "far", family.Far.Addr()},
		node:      host{network.Node, "node", family.Node.Addr()},
		pod:       host{network.Pod, "pod", family.Pod.Addr()},
		gateway:   host{network.Pod, "gateway", family.Gateway.Addr()},
		loopback:  host{network.Pod, "loopback", family.Loopback},
		oversized: network.Guest.Oversized(t, "eth0"),
		lastPort:  firstPort,
	}
	for _, port := range []uint16{declaredTCP, undeclaredTCP, migrationTCP} {
		s.guest.ServeTCP(t, s.guest.at(port))
	}
	for _, port := range []uint16{declaredUDP, undeclaredUDP} {
		s.guest.ServeUDP(t, s.guest.at(port))
	}
	for _, remote := range []host{s.client, s.far} {
		remote.ServeTCP(t, remote.at(remotePort))
		remote.ServeUDP(t, remote.at(remotePort))
	}
	for _, pod := range []host{s.pod, s.gateway, s.loopback} {
		pod.ServeTCP(t, pod.at(podPort))
		pod.ServeUDP(t, pod.at(podPort))
	}
	s.hold()
	return s
}

// anyPort is a port of a host that no probe has called from. The kernel's own choice could be one that the
// other side still has a flow with, which a datapath rightly changes.
func (s *scene) anyPort(h host) netip.AddrPort {
	s.lastPort++
	return h.at(s.lastPort)
}

func (s *scene) dialTCP(from host, to netip.AddrPort) (*nstest.TCPClient, error) {
	return from.DialTCP(s.anyPort(from), to)
}

func (s *scene) dialUDP(from host, to netip.AddrPort) (*net.UDPConn, error) {
	return from.DialUDP(s.anyPort(from), to)
}
