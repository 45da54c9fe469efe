// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// held is about connections that were made before every other probe and are idle until all have run.
var held = []probe{
	{
		name:     heldInbound,
		run:      func(s *scene) string { return s.stillWorks(heldInbound) },
		kubevirt: always("works"),
	},
	{
		name:     heldOutbound,
		run:      func(s *scene) string { return s.stillWorks(heldOutbound) },
		kubevirt: always("works"),
	},
	{
		name:     heldPod,
		run:      func(s *scene) string { return s.stillWorks(heldPod) },
		kubevirt: always("works"),
	},
	{
		name:     heldLoopback,
		run:      func(s *scene) string { return s.stillWorks(heldLoopback) },
		kubevirt: outcomes{"works", "works", "timeout", "timeout"},
		tapir:    &difference{always("works"), reachesGuest},
	},
	{
		name:     heldHairpin,
		run:      func(s *scene) string { return s.stillWorks(heldHairpin) },
		kubevirt: always("refused"),
		tapir:    &difference{always("works"), reachesItself},
	},
}

const (
	heldInbound  = "a connection client -> pod IP:8080, after everything else"
	heldOutbound = "a connection guest -> outside, after everything else"
	heldPod      = "a connection pod -> outside, after everything else"
	heldLoopback = "a connection pod -> loopback:8080, after everything else"
	heldHairpin  = "a connection guest -> own pod IP:8080, after everything else"
)

// A call is a connection, or why there is none.
type call struct {
	client *nstest.TCPClient
	err    error
}

// hold makes the connections.
func (s *scene) hold() {
	s.held = map[string]call{}
	for name, c := range map[string]struct {
		from host
		to   netip.AddrPort
	}{
		heldInbound:  {s.client, s.pod.at(declaredTCP)},
		heldOutbound: {s.guest, s.client.at(remotePort)},
		heldPod:      {s.pod, s.client.at(remotePort)},
		heldLoopback: {s.loopback, s.loopback.at(declaredTCP)},
		heldHairpin:  {s.guest, s.pod.at(declaredTCP)},
	} {
		client, err := s.dialTCP(c.from, c.to)
		if err == nil {
			s.t.Cleanup(func() { client.Close() })
		}
		s.held[name] = call{client, err}
	}
}

// stillWorks describes what has become of a connection.
func (s *scene) stillWorks(name string) string {
	c := s.held[name]
	if c.err != nil {
		return s.failure(c.err)
	}
	if err := c.client.Echo([]byte("still there?")); err != nil {
		return s.failure(err)
	}
	return "works"
}
