// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// smallTable is the smallest flow table that Tapir takes.
const smallTable = 64

func attachTapir(t *testing.T, network *nstest.Topology, ports []declaration) {
	attachTapirWith(t, network, ports, func(*datapath.Config) {})
}

func attachTapirPeer(t *testing.T, network *nstest.Topology, ports []declaration) {
	attachTapirWith(t, network, ports, func(c *datapath.Config) { c.Redirect = datapath.RedirectPeer })
}

func attachSmallTapir(t *testing.T, network *nstest.Topology, ports []declaration) {
	attachTapirWith(t, network, ports, func(c *datapath.Config) { c.Flows = smallTable })
}

func attachTapirXDP(t *testing.T, network *nstest.Topology, ports []declaration) {
	network.Client.DisableOffloads(t, "eth0") // XDP takes whole checksums alone
	network.Node.GRO(t, "cni0", true)         // the veth takes frames from XDP
	attachTapirWith(t, network, ports, func(c *datapath.Config) { c.Fastpath = datapath.FastpathXDP })
}

// attachTapirWith attaches Tapir's datapath, as a launcher would that knows its guest's MAC.
func attachTapirWith(t *testing.T, network *nstest.Topology, ports []declaration, change func(*datapath.Config)) {
	config := datapath.Config{
		Name:    t.Name(),
		NetNS:   network.Pod.Path(),
		NIC:     "eth0",
		Tap:     "tap0",
		Binding: datapath.Masquerade,
		CIDR4:   datapath.DefaultCIDR4,
		CIDR6:   datapath.DefaultCIDR6,
		MAC:     nstest.GuestMAC,
		Queues:  1,
		Flows:   datapath.DefaultFlows,
	}
	change(&config)
	for _, p := range ports {
		config.Ports = append(config.Ports, datapath.Port{Protocol: p.protocol, Port: p.number})
	}
	nic, err := datapath.Attach(config)
	if err != nil {
		t.Fatalf("attaching Tapir: %v", err)
	}
	t.Cleanup(func() {
		checkDrops(t, nic)
		if err := nic.Close(); err != nil {
			t.Errorf("closing the NIC: %v", err)
		}
		if err := datapath.Detach(config.NetNS, config.Tap); err != nil {
			t.Errorf("detaching Tapir: %v", err)
		}
	})
}

// checkDrops makes sure that nothing was dropped but what the table asks for: what outsiders send to the
// guest's private address, and what traceroute sends.
func checkDrops(t *testing.T, nic *datapath.NIC) {
	drops, err := nic.Drops()
	if err != nil {
		t.Errorf("reading Tapir's drops: %v", err)
	}
	for _, d := range drops {
		if d.Reason != "private_address" && d.Reason != "ttl_exceeded" {
			t.Errorf("Tapir dropped %d packets in direction %s: %s", d.Packets, d.Direction, d.Reason)
		}
	}
}
