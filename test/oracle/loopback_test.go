// SPDX-License-Identifier: Apache-2.0

package oracle

// loopback is what a process in the pod starts towards 127.0.0.1 and ::1, as kubectl port-forward does.
var loopback = []probe{
	{
		name:     "pod -> loopback:8080 TCP",
		run:      func(s *scene) string { return s.loopbackTCP(declaredTCP) },
		kubevirt: outcomes{"seen as gateway, port kept", "seen as gateway, port kept", "timeout", "timeout"},
		tapir:    &difference{always("seen as gateway, port kept"), reachesGuest},
	},
	{
		name:     "pod -> loopback:8081 TCP",
		run:      func(s *scene) string { return s.loopbackTCP(undeclaredTCP) },
		kubevirt: outcomes{"seen as gateway, port kept", "refused", "timeout", "refused"},
		tapir:    &difference{byPorts("seen as gateway, port kept", "refused"), reachesGuest},
	},
	{
		name:     "pod -> loopback TCP, a port that only the pod listens on",
		run:      func(s *scene) string { return s.loopbackTCP(podPort) },
		kubevirt: outcomes{"refused", "seen as loopback, port kept", "timeout", "seen as loopback, port kept"},
		tapir:    &difference{byPorts("refused", "seen as loopback, port kept"), reachesGuest},
	},
	{
		name:     "pod -> loopback:8053 UDP",
		run:      func(s *scene) string { return s.loopbackUDP(declaredUDP) },
		kubevirt: outcomes{"seen as gateway, port kept", "seen as gateway, port kept", "timeout", "timeout"},
		tapir:    &difference{always("seen as gateway, port kept"), reachesGuest},
	},
	{
		name:     "pod -> loopback:8054 UDP",
		run:      func(s *scene) string { return s.loopbackUDP(undeclaredUDP) },
		kubevirt: outcomes{"seen as gateway, port kept", "refused", "timeout", "refused"},
		tapir:    &difference{byPorts("seen as gateway, port kept", "refused"), reachesGuest},
	},
	{
		name: "pod -> loopback:5555 UDP, nobody listening",
		run: func(s *scene) string {
			return s.refusal(s.loopback, s.loopback.at(nobody))
		},
		kubevirt: outcomes{"port unreachable from guest", "port unreachable from pod", "timeout", "port unreachable from pod"},
		tapir:    &difference{byPorts("port unreachable from guest", "port unreachable from pod"), reachesGuest},
	},
	{
		name: "pod pings loopback",
		run: func(s *scene) string {
			return s.ping(s.loopback, s.loopback, 56)
		},
		kubevirt: outcomes{"reply from guest", "reply from pod", "timeout", "reply from pod"},
		tapir:    &difference{byPorts("reply from guest", "reply from pod"), reachesGuest},
	},
	{
		name:     "pod -> its own pod IP:8080 TCP",
		run:      func(s *scene) string { return s.tcp(s.pod, s.pod.at(declaredTCP)) },
		kubevirt: always("refused"),
	},
	{
		name:     "pod -> its own pod IP TCP, a port that the pod listens on",
		run:      func(s *scene) string { return s.tcp(s.pod, s.pod.at(podPort)) },
		kubevirt: always("seen as pod, port kept"),
	},
}

const reachesGuest = "::1 in the pod reaches the guest"

func (s *scene) loopbackTCP(port uint16) string {
	return s.tcp(s.loopback, s.loopback.at(port))
}

func (s *scene) loopbackUDP(port uint16) string {
	return s.udp(s.loopback, s.loopback.at(port), 512)
}
