// SPDX-License-Identifier: Apache-2.0

package oracle

import "net/netip"

// gateway is what passes between the guest and the pod itself.
var gateway = []probe{
	{
		name:     "guest pings its gateway",
		run:      func(s *scene) string { return s.pingFrom(s.Guest, s.ip.Guest, s.ip.Gateway, 56) },
		kubevirt: always("reply from pod"),
	},
	{
		name:     "guest -> its gateway TCP, the pod listens",
		run:      func(s *scene) string { return s.tcp(s.Guest, netip.AddrPort{}, at(s.ip.Gateway, podTCP)) },
		kubevirt: always("seen as guest, port kept"),
	},
	{
		name:     "guest -> its gateway TCP, nobody listens",
		run:      func(s *scene) string { return s.tcp(s.Guest, netip.AddrPort{}, at(s.ip.Gateway, nobody)) },
		kubevirt: always("refused"),
	},
	{
		name:     "guest -> its gateway UDP, nobody listens",
		run:      func(s *scene) string { return s.refusal(s.Guest, at(s.ip.Gateway, nobody)) },
		kubevirt: always("port unreachable from pod"),
	},
	{
		name:     "pod process -> guest's private address:8080 TCP",
		run:      func(s *scene) string { return s.tcp(s.Pod, netip.AddrPort{}, at(s.ip.Guest, declaredTCP)) },
		kubevirt: always("seen as gateway, port kept"),
	},
	{
		name:     "pod process -> guest's private address:8081 TCP",
		run:      func(s *scene) string { return s.tcp(s.Pod, netip.AddrPort{}, at(s.ip.Guest, undeclaredTCP)) },
		kubevirt: always("seen as gateway, port kept"),
	},
}
