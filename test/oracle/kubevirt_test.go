// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"testing"

	"github.com/tapir-vm/tapir/internal/kubevirt"
	"github.com/tapir-vm/tapir/internal/nstest"
)

// attachKubeVirt makes what KubeVirt (1.8 and later) makes for its masquerade binding.
func attachKubeVirt(t *testing.T, network *nstest.Topology, ports []declaration) {
	binding := kubevirt.Masquerade{MTU: nstest.MTU}
	for _, f := range []nstest.Family{nstest.IPv4, nstest.IPv6} {
		binding.Families = append(binding.Families, kubevirt.Family{Guest: f.Guest, Gateway: f.Gateway})
	}
	for _, p := range ports {
		binding.Ports = append(binding.Ports, kubevirt.Port{Protocol: p.protocol, Number: p.number})
	}
	network.Pod.Must(t, binding.SetUp)
}
