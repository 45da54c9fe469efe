// SPDX-License-Identifier: Apache-2.0

package oracle

// hairpin is what the guest starts towards its own pod IP.
var hairpin = []probe{
	{
		name:     "guest -> own pod IP:8080 TCP (hairpin)",
		run:      hairpinTCP(declaredTCP),
		kubevirt: always("refused"),
		tapir:    &difference{always("seen as pod, port kept"), reachesItself},
	},
	{
		name:     "guest -> own pod IP:8081 TCP (hairpin)",
		run:      hairpinTCP(undeclaredTCP),
		kubevirt: always("refused"),
		tapir:    &difference{byPorts("seen as pod, port kept", "refused"), reachesItself},
	},
	{
		name:     "guest -> own pod IP:8053 UDP (hairpin)",
		run:      func(s *scene) string { return s.udp(s.guest, s.pod.at(declaredUDP), 512) },
		kubevirt: always("refused"),
		tapir:    &difference{always("seen as pod, port kept"), reachesItself},
	},
	{
		name:     "4000-byte datagram and echo, guest -> own pod IP:8053 (hairpin)",
		run:      func(s *scene) string { return s.udp(s.guest, s.pod.at(declaredUDP), fragmented) },
		kubevirt: always("refused"),
		tapir:    &difference{always("seen as pod, port kept"), reachesItself},
	},
	{
		name:     "guest -> own pod IP:5555 UDP, nobody listening (hairpin)",
		run:      func(s *scene) string { return s.refusal(s.guest, s.pod.at(nobody)) },
		kubevirt: always("port unreachable from pod"),
		tapir:    &difference{byPorts("port unreachable from guest", "port unreachable from pod"), reachesItself},
	},
	{
		name:     "guest pings its own pod IP (hairpin)",
		run:      func(s *scene) string { return s.ping(s.guest, s.pod, 56) },
		kubevirt: always("reply from pod"),
		tapir:    &difference{byPorts("reply from guest", "reply from pod"), reachesItself},
	},
}

const reachesItself = "a guest reaches itself by its pod IP"

func hairpinTCP(port uint16) func(*scene) string {
	return func(s *scene) string { return s.tcp(s.guest, s.pod.at(port)) }
}
