// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"

	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Links follow the spec of a machine that runs, also through a change that no agent has seen.
func TestLinks(t *testing.T) {
	r := newRig(t)
	vmi, launcher := r.machine(t, "demo")
	set := func(state kubevirt.InterfaceState) {
		t.Helper()
		now := r.wait(t, vmi, "there", always)
		next := now.DeepCopy()
		next.Spec.Domain.Devices.Interfaces[0].State = state
		if err := r.Patch(r.ctx, next, client.MergeFrom(now)); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(state kubevirt.InterfaceState) {
		t.Helper()
		r.wait(t, vmi, "link "+string(state), func(vmi *kubevirt.VirtualMachineInstance) bool {
			return vmi.Status.Phase == kubevirt.Running && vmi.Status.Interfaces[0].LinkState == string(state)
		})
	}
	set(kubevirt.InterfaceStateLinkDown)
	launcher.Start(t)
	r.startAgent(t)
	shows(kubevirt.InterfaceStateLinkDown)
	set(kubevirt.InterfaceStateLinkUp)
	shows(kubevirt.InterfaceStateLinkUp)
	r.stop()
	set(kubevirt.InterfaceStateLinkDown)
	r.startAgent(t)
	shows(kubevirt.InterfaceStateLinkDown)
	set("")
	shows(kubevirt.InterfaceStateLinkUp)
	launcher.Stop(t)
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}
