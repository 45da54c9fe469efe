// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// tapirXDP is tapirTC with an XDP program before it, as `tapir attach --fastpath xdp` makes it.
type tapirXDP struct{}

func (tapirXDP) Name() string  { return "tapir-xdp" }
func (tapirXDP) About() string { return "Tapir: UDP into the guest in XDP, all else in TC programs" }

func (tapirXDP) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	return joinTapir(network, c, func(c *datapath.Config) { c.Fastpath = datapath.FastpathXDP })
}
