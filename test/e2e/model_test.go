// SPDX-License-Identifier: Apache-2.0

package e2e

import "testing"

const e1000 = `
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata: {name: demo}
spec:
  terminationGracePeriodSeconds: 0
  domain:
    memory: {guest: 128Mi}
    devices: {interfaces: [{name: default, model: e1000, bootOrder: 1, masquerade: {}}]}
  networks: [{name: default, pod: {}}]
`

// A NIC that isn't virtio: the test guest's kernel has no driver for it, but the NIC's own ROM, which boots from the network, does. It
// is a guest that asks for an address and says that it has got it.
func TestE1000(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	s.apply(e1000)
	s.waitForPhase("demo", "Running")
	s.follow("guest has its address", "logs", "--follow", s.launcher("demo"))
}
