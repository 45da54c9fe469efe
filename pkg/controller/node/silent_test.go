// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/internal/podtest"
	"github.com/tapir-vm/tapir/pkg/controller/status"
)

// Launchers that accept the agent's connection and say nothing hold up no other machine, for however many it waits.
func TestSilentLaunchersHoldUpNobody(t *testing.T) {
	r := newRig(t)
	r.startAgent(t)
	var machines []*kubevirt.VirtualMachineInstance
	var launchers []*podtest.Pod
	for i := range 12 {
		vmi, launcher := r.machine(t, fmt.Sprintf("silent-%d", i))
		machines, launchers = append(machines, vmi), append(launchers, launcher)
	}
	vmi, launcher := r.machine(t, "demo")
	for _, launcher := range launchers {
		launcher.StartSilent(t)
	}
	for _, launcher := range launchers {
		r.eventually(t, "connected", launcher.Visited)
	}
	launcher.StartHollow(t)
	r.wait(t, vmi, "running", phase(kubevirt.Running))
	for _, silent := range machines {
		now := r.wait(t, silent, "there", always)
		if c := status.Condition(now, kubevirt.VirtualMachineInstanceSynchronized); c != nil && c.Status == corev1.ConditionFalse {
			t.Errorf("demo ran only after %s had been given up: %s", silent.Name, c.Message)
		}
	}
	if err := r.Delete(r.ctx, vmi); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}
