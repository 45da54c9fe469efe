// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"bytes"
	"net/netip"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// bulk is about much data, which must cross in frames far larger than the MTU.
var bulk = []probe{
	{
		name:     "bulk TCP both ways, guest -> client",
		run:      func(s *scene) string { return s.bulk(s.guest, s.client.at(remotePort)) },
		kubevirt: always("intact; frames above the MTU to guest, from guest"),
	},
	{
		name:     "bulk TCP both ways, client -> guest",
		run:      func(s *scene) string { return s.bulk(s.client, s.pod.at(declaredTCP)) },
		kubevirt: always("intact; frames above the MTU to guest, from guest"),
	},
	{
		name:     "bulk TCP both ways, guest -> far, over a wire without offloads",
		run:      func(s *scene) string { return s.intact(s.guest, s.far.at(remotePort)) },
		kubevirt: always("intact"),
	},
	{
		name:     "bulk TCP both ways, pod -> loopback",
		run:      func(s *scene) string { return s.bulk(s.loopback, s.loopback.at(declaredTCP)) },
		kubevirt: outcomes{loopbackBulk, loopbackBulk, "timeout", "timeout"},
		tapir:    &difference{always(loopbackBulk), reachesGuest},
	},
	{
		name:     "bulk TCP both ways, guest -> own pod IP (hairpin)",
		run:      func(s *scene) string { return s.bulk(s.guest, s.pod.at(declaredTCP)) },
		kubevirt: always("refused"),
		tapir:    &difference{always(loopbackBulk), reachesItself},
	},
	{
		name: "frames to or from the guest, in all these probes, that are above the MTU and not marked as segmentation offload",
		run: func(s *scene) string {
			if s.oversized.Load() > 0 {
				return "some"
			}
			return "none"
		},
		kubevirt: always("none"),
	},
}

const loopbackBulk = "intact; frames above the MTU to guest, from guest"

// bulk sends 16 MiB to an echo server and describes what comes back, and how large the frames on the guest's NIC
// were on average.
func (s *scene) bulk(from host, to netip.AddrPort) string {
	before := s.guest.Traffic(s.t, "eth0")
	outcome := s.intact(from, to)
	if outcome != "intact" {
		return outcome
	}
	after := s.guest.Traffic(s.t, "eth0")
	outcome += "; frames above the MTU"
	if (after.RxBytes-before.RxBytes)/(after.RxFrames-before.RxFrames) > nstest.MTU+14 {
		outcome += " to guest,"
	}
	if (after.TxBytes-before.TxBytes)/(after.TxFrames-before.TxFrames) > nstest.MTU+14 {
		outcome += " from guest"
	}
	return outcome
}

// intact describes only what comes back.
func (s *scene) intact(from host, to netip.AddrPort) string {
	client, err := s.dialTCP(from, to)
	if err != nil {
		return s.failure(err)
	}
	defer client.Close()
	if err := client.Echo(bytes.Repeat([]byte("0123456789abcdef"), 1<<20)); err != nil {
		return s.failure(err)
	}
	return "intact"
}
