// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/internal/kubevirt"
)

// kubevirtMasquerade is KubeVirt's masquerade binding without declared ports.
type kubevirtMasquerade struct {
	old bool // before 1.8, with checksum offload switched off on the bridge
}

func (k kubevirtMasquerade) Name() string {
	if k.old {
		return "kubevirt-masquerade-1.7"
	}
	return "kubevirt-masquerade"
}

func (k kubevirtMasquerade) About() string {
	if k.old {
		return "the same before KubeVirt 1.8: checksum offload off on the bridge"
	}
	return "KubeVirt 1.8 and later: bridge and nftables NAT, offloads on"
}

func (k kubevirtMasquerade) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	guest := lab.Masqueraded
	gateway := kubevirt.Masquerade{
		MTU:               c.MTU,
		Families:          []kubevirt.Family{{Guest: guest.Address, Gateway: guest.GatewayPrefix()}},
		NoChecksumOffload: k.old,
	}
	if err := holdConnections(network, c.Table); err != nil {
		return nil, err
	}
	return &guest, network.Pod.Run(gateway.SetUp)
}
