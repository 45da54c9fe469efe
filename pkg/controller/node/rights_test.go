// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/internal/kubetest"
	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/pkg/controller/status"
)

// The agent is refused nothing, and may do nothing that it doesn't do.
func TestRights(t *testing.T) {
	r := newRig(t)
	r.startAgent(t)
	vmi, launcher := r.machine(t, "demo")
	// A complaint, and an Event of it.
	launcher.NetNS.Command(t, "ip", "address", "del", nstest.IPv4.Pod.String(), "dev", "eth0")
	launcher.Start(t)
	r.wait(t, vmi, "refused", func(vmi *kubevirt.VirtualMachineInstance) bool {
		return status.Condition(vmi, kubevirt.VirtualMachineInstanceSynchronized) != nil
	})
	launcher.NetNS.Command(t, "ip", "address", "add", nstest.IPv4.Pod.String(), "dev", "eth0")
	r.wait(t, vmi, "running", phase(kubevirt.Running))
	r.eventually(t, "events", func() bool {
		var list corev1.EventList
		if err := r.List(r.ctx, &list); err != nil {
			t.Fatal(err)
		}
		return len(list.Items) == 2 // one of them says that it runs
	})
	kubetest.CheckRights(t, r.log, "agent", "tapir-agent")
	if err := r.Delete(r.ctx, vmi); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}
