// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// inbound is what others start towards the pod.
var inbound = []probe{
	{
		name:     "client pings the pod IP",
		run:      func(s *scene) string { return s.pingPod(s.Client, s.ip.Client, 56) },
		kubevirt: byPorts("reply from guest", "reply from pod"),
	},
	{
		name:     "client -> pod IP:8080 TCP",
		run:      clientToPodTCP(declaredTCP),
		kubevirt: always("seen as client, port kept"),
	},
	{
		name:     "client -> pod IP:8081 TCP",
		run:      clientToPodTCP(undeclaredTCP),
		kubevirt: byPorts("seen as client, port kept", "refused"),
	},
	{
		name:     "client -> pod IP:49152 TCP",
		run:      clientToPodTCP(migrationTCP),
		kubevirt: byPorts("seen as client, port kept", "refused"),
	},
	{
		name:     "client -> pod IP TCP, a port that only the pod listens on",
		run:      clientToPodTCP(podTCP),
		kubevirt: byPorts("refused", "seen as client, port kept"),
	},
	{
		name:     "client -> pod IP:8053 UDP",
		run:      clientToPodUDP(declaredUDP),
		kubevirt: always("seen as client, port kept"),
	},
	{
		name:     "client -> pod IP:8054 UDP",
		run:      clientToPodUDP(undeclaredUDP),
		kubevirt: byPorts("seen as client, port kept", "refused"),
	},
	{
		name:     "client -> pod IP:5555 UDP, nobody listening",
		run:      func(s *scene) string { return s.refusal(s.Client, at(s.ip.Pod, nobody)) },
		kubevirt: byPorts("port unreachable from guest", "port unreachable from pod"),
	},
	{
		name: "far -> pod IP:8080 TCP, over a wire without offloads",
		run: func(s *scene) string {
			return s.tcp(s.Far, at(s.ip.Far, 0), at(s.ip.Pod, declaredTCP))
		},
		kubevirt: always("seen as far, port kept"),
	},
	{
		name: "far -> pod IP:8053 UDP, over a wire without offloads",
		run: func(s *scene) string {
			return s.udp(s.Far, at(s.ip.Far, 0), at(s.ip.Pod, declaredUDP), 512)
		},
		kubevirt: always("seen as far, port kept"),
	},
	{
		name:     "far pings the pod IP, over a wire without offloads",
		run:      func(s *scene) string { return s.pingPod(s.Far, s.ip.Far, 56) },
		kubevirt: byPorts("reply from guest", "reply from pod"),
	},
	{
		name: "outside host with a route -> guest's private address:8080 TCP",
		run: func(s *scene) string {
			return s.tcp(s.Client, netip.AddrPort{}, at(s.ip.Guest, declaredTCP))
		},
		kubevirt: always("seen as client, port kept"),
		tapir:    private,
	},
	{
		name: "outside host with a route -> guest's private address:8081 TCP",
		run: func(s *scene) string {
			return s.tcp(s.Client, netip.AddrPort{}, at(s.ip.Guest, undeclaredTCP))
		},
		kubevirt: always("seen as client, port kept"),
		tapir:    private,
	},
	{
		name: "outside host with a route pings the guest's private address",
		run: func(s *scene) string {
			return s.ping(s.Client, nstest.Ping{From: s.ip.Client.Addr(), To: s.ip.Guest.Addr(), ID: 1, Size: 56})
		},
		kubevirt: always("reply from guest"),
		tapir:    private,
	},
	{
		name:     "hop limit, DSCP and ECN of a datagram from client to guest",
		run:      func(s *scene) string { return s.marks(s.Client, at(s.ip.Pod, declaredUDP)) },
		kubevirt: always("hop limit 62, TOS 0xb9"),
	},
}

// private is how Tapir differs on the guest's private address.
var private = &difference{always("timeout"), "the guest's private address can't be reached from outside"}

func clientToPodTCP(port uint16) func(*scene) string {
	return func(s *scene) string { return s.tcp(s.Client, netip.AddrPort{}, at(s.ip.Pod, port)) }
}

func clientToPodUDP(port uint16) func(*scene) string {
	return func(s *scene) string { return s.udp(s.Client, netip.AddrPort{}, at(s.ip.Pod, port), 512) }
}

// pingPod pings the pod IP from a host outside.
func (s *scene) pingPod(from *nstest.Namespace, address netip.Prefix, size int) string {
	return s.ping(from, nstest.Ping{From: address.Addr(), To: s.ip.Pod.Addr(), ID: 1, Size: size})
}
