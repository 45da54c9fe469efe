// SPDX-License-Identifier: Apache-2.0

package oracle

// gateway is what passes between the guest and the pod itself.
var gateway = []probe{
	{
		name:     "guest pings its gateway",
		run:      func(s *scene) string { return s.ping(s.guest, s.gateway, 56) },
		kubevirt: always("reply from pod"),
	},
	{
		name:     "guest -> its gateway TCP, the pod listens",
		run:      func(s *scene) string { return s.tcp(s.guest, s.gateway.at(podPort)) },
		kubevirt: always("seen as guest, port kept"),
	},
	{
		name:     "guest -> its gateway TCP, nobody listens",
		run:      func(s *scene) string { return s.tcp(s.guest, s.gateway.at(nobody)) },
		kubevirt: always("refused"),
	},
	{
		name:     "guest -> its gateway UDP, nobody listens",
		run:      func(s *scene) string { return s.refusal(s.guest, s.gateway.at(nobody)) },
		kubevirt: always("port unreachable from pod"),
	},
	{
		name:     "pod process -> guest's private address:8080 TCP",
		run:      func(s *scene) string { return s.tcp(s.gateway, s.guest.at(declaredTCP)) },
		kubevirt: always("seen as gateway, port kept"),
	},
	{
		name:     "pod process -> guest's private address:8081 TCP",
		run:      func(s *scene) string { return s.tcp(s.gateway, s.guest.at(undeclaredTCP)) },
		kubevirt: always("seen as gateway, port kept"),
	},
}
