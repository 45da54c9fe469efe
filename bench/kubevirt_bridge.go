// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/internal/kubevirt"
)

// kubevirtBridge is KubeVirt's bridge binding.
type kubevirtBridge struct{}

func (kubevirtBridge) Name() string  { return "kubevirt-bridge" }
func (kubevirtBridge) About() string { return "KubeVirt's bridge binding: a Linux bridge, no NAT" }

func (kubevirtBridge) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	guest := lab.Bridged
	return &guest, network.Pod.Run(kubevirt.Bridge{MTU: c.MTU}.SetUp)
}
