// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// tapirXDP is tapirTC with XDP programs before it, as `tapir attach --fastpath xdp` makes it where the other end of the
// pod's veth polls.
type tapirXDP struct{}

func (tapirXDP) Name() string { return "tapir-xdp" }
func (tapirXDP) About() string {
	return "Tapir: UDP with whole checksums in XDP, all else in TC programs"
}

func (tapirXDP) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	if err := network.Peer.Poll(lab.CNI); err != nil {
		return nil, err
	}
	return joinTapir(network, c, func(c *datapath.Config) { c.Fastpath = datapath.FastpathXDP })
}
