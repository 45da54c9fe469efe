// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// tapirPeer is tapirTC with packets that leave past the CPU's backlog, as `tapir attach --redirect peer` makes it.
type tapirPeer struct{}

func (tapirPeer) Name() string  { return "tapir-peer" }
func (tapirPeer) About() string { return "Tapir: NAT in TC programs, out by bpf_redirect_peer" }

func (tapirPeer) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	return joinTapir(network, c, func(c *datapath.Config) { c.Redirect = datapath.RedirectPeer })
}
