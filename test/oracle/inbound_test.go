// SPDX-License-Identifier: Apache-2.0

package oracle

// inbound is what others start towards the pod.
var inbound = []probe{
	{
		name:     "client pings the pod IP",
		run:      func(s *scene) string { return s.ping(s.client, s.pod, 56) },
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
		run:      clientToPodTCP(podPort),
		kubevirt: byPorts("refused", "seen as client, port kept"),
	},
	{
		name:     "client -> pod IP UDP, a port that only the pod listens on",
		run:      clientToPodUDP(podPort),
		kubevirt: byPorts("refused", "seen as client, port kept"),
	},
	{
		name:     "node -> pod IP:8080 TCP",
		run:      func(s *scene) string { return s.tcp(s.node, s.pod.at(declaredTCP)) },
		kubevirt: always("seen as node, port kept"),
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
		run:      func(s *scene) string { return s.refusal(s.client, s.pod.at(nobody)) },
		kubevirt: byPorts("port unreachable from guest", "port unreachable from pod"),
	},
	{
		name: "far -> pod IP:8080 TCP, over a wire without offloads",
		run: func(s *scene) string {
			return s.tcp(s.far, s.pod.at(declaredTCP))
		},
		kubevirt: always("seen as far, port kept"),
	},
	{
		name: "far -> pod IP:8053 UDP, over a wire without offloads",
		run: func(s *scene) string {
			return s.udp(s.far, s.pod.at(declaredUDP), 512)
		},
		kubevirt: always("seen as far, port kept"),
	},
	{
		name:     "far pings the pod IP, over a wire without offloads",
		run:      func(s *scene) string { return s.ping(s.far, s.pod, 56) },
		kubevirt: byPorts("reply from guest", "reply from pod"),
	},
	{
		name: "outside host with a route -> guest's private address:8080 TCP",
		run: func(s *scene) string {
			return s.tcp(s.client, s.guest.at(declaredTCP))
		},
		kubevirt: always("seen as client, port kept"),
		tapir:    private,
	},
	{
		name: "outside host with a route -> guest's private address:8081 TCP",
		run: func(s *scene) string {
			return s.tcp(s.client, s.guest.at(undeclaredTCP))
		},
		kubevirt: always("seen as client, port kept"),
		tapir:    private,
	},
	{
		name: "outside host with a route pings the guest's private address",
		run: func(s *scene) string {
			return s.ping(s.client, s.guest, 56)
		},
		kubevirt: always("reply from guest"),
		tapir:    private,
	},
	{
		name:     "hop limit, DSCP and ECN of a datagram from client to guest",
		run:      func(s *scene) string { return s.marks(s.client, s.pod.at(declaredUDP)) },
		kubevirt: always("hop limit 62, TOS 0xb9"),
	},
}

// private is how Tapir differs on the guest's private address.
var private = &difference{always("timeout"), "the guest's private address can't be reached from outside"}

func clientToPodTCP(port uint16) func(*scene) string {
	return func(s *scene) string { return s.tcp(s.client, s.pod.at(port)) }
}

func clientToPodUDP(port uint16) func(*scene) string {
	return func(s *scene) string { return s.udp(s.client, s.pod.at(port), 512) }
}
