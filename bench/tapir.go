// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"cmp"
	"errors"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// tapirTC is Tapir's masquerade binding without declared ports, as `tapir attach` makes it.
type tapirTC struct{}

func (tapirTC) Name() string  { return "tapir-tc" }
func (tapirTC) About() string { return "Tapir: NAT in TC programs" }

func (tapirTC) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	return joinTapir(network, c, func(*datapath.Config) {})
}

func joinTapir(network *lab.Network, c Conditions, change func(*datapath.Config)) (*lab.Guest, error) {
	guest := lab.Masqueraded
	config := datapath.Config{
		Name:    "bench",
		NetNS:   network.Pod.Path(),
		NIC:     lab.NIC,
		Tap:     lab.Tap,
		Binding: datapath.Masquerade,
		CIDR4:   datapath.DefaultCIDR4,
		CIDR6:   datapath.DefaultCIDR6,
		MAC:     guest.MAC,
		Queues:  1,
		Flows:   cmp.Or(c.Table, datapath.DefaultFlows),
		TapUID:  -1,
		TapGID:  -1,
	}
	change(&config)
	nic, err := datapath.Attach(config)
	if err != nil {
		return nil, err
	}
	network.OnClose(func() error { return errors.Join(nic.Close(), datapath.Detach(config.NetNS, config.Tap)) })
	return &guest, nil
}
