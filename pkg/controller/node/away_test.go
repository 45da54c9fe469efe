// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"

	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// While the API server is away machines stay as they are, and what becomes of them is reported when it is back.
func TestAPIServerAway(t *testing.T) {
	r := newRig(t)
	r.startAgent(t)
	vmi, launcher := r.machine(t, "demo")
	launcher.Start(t)
	r.wait(t, vmi, "running", phase(kubevirt.Running))
	r.line.cut()
	if err := vm.Kill(r.ctx, launcher.Path(handover.PrivateDir)); err != nil {
		t.Fatal(err)
	}
	<-launcher.Ended()
	// Its datapath is the only trace of it until the end is written down.
	if got := attached(t); len(got) != 1 {
		t.Errorf("attached while nobody hears the agent: %v", got)
	}
	r.line.mend()
	r.wait(t, vmi, "failed", phase(kubevirt.Failed))
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}
