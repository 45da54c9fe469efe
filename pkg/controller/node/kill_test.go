// SPDX-License-Identifier: Apache-2.0

package node

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/internal/podtest"
	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/handover"
)

// An agent that is killed at any step leaves what the next one completes, without another tap under a guest, or takes away when the
// pod is gone by then.
func TestAgentKilled(t *testing.T) {
	r := newRig(t)
	agent := buildAgent(t)
	steps := []struct {
		name    string
		reached func(*testing.T, *kubevirt.VirtualMachineInstance, *podtest.Pod) bool
	}{
		{"attaching", func(t *testing.T, _ *kubevirt.VirtualMachineInstance, _ *podtest.Pod) bool { return len(kept(t)) > 0 }},
		{"attached", func(t *testing.T, _ *kubevirt.VirtualMachineInstance, _ *podtest.Pod) bool {
			return len(attached(t)) > 0
		}},
		{"handed over", func(t *testing.T, _ *kubevirt.VirtualMachineInstance, p *podtest.Pod) bool { return r.taken(t, p) }},
		{"reported", func(t *testing.T, vmi *kubevirt.VirtualMachineInstance, _ *podtest.Pod) bool {
			return r.wait(t, vmi, "there", always).Status.Phase == kubevirt.Running
		}},
	}
	for _, step := range steps {
		killed := func(t *testing.T, name string) (*kubevirt.VirtualMachineInstance, *podtest.Pod) {
			vmi, launcher := r.machine(t, name)
			_, kill := r.runAgent(t, agent, "127.0.0.1:0")
			launcher.Start(t)
			r.eventually(t, step.name, func() bool { return step.reached(t, vmi, launcher) })
			kill()
			return vmi, launcher
		}
		t.Run(step.name+", adopted", func(t *testing.T) {
			vmi, launcher := killed(t, "adopted-"+strings.ReplaceAll(step.name, " ", "-"))
			tap := ""
			if r.taken(t, launcher) {
				tap = tapIndex(t, launcher.NetNS)
			}
			r.clearInterfaces(t, vmi)
			r.startAgent(t)
			defer r.stop()
			r.wait(t, vmi, "adopted", func(vmi *kubevirt.VirtualMachineInstance) bool {
				return vmi.Status.Phase == kubevirt.Running && len(vmi.Status.Interfaces) == 1
			})
			if now := tapIndex(t, launcher.NetNS); tap != "" && now != tap {
				t.Errorf("the tap is another: %s, was %s", now, tap)
			}
			launcher.Stop(t)
			r.wait(t, vmi, "succeeded", phase(kubevirt.Succeeded))
			r.eventually(t, "detached", func() bool { return len(kept(t)) == 0 })
		})
		t.Run(step.name+", gone", func(t *testing.T) {
			vmi, _ := killed(t, "gone-"+strings.ReplaceAll(step.name, " ", "-"))
			r.setPod(t, vmi, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })
		})
		// The pod's processes and its network namespace went with the subtest; the kernel takes its time.
		r.eventually(t, "namespace gone", func() bool { return len(living(t)) == 0 })
		r.startAgent(t)
		r.eventually(t, step.name+", swept", func() bool { return len(kept(t)) == 0 })
		r.stop()
	}
}

// taken tells whether a launcher has its plan.
func (r *rig) taken(t *testing.T, p *podtest.Pod) bool {
	t.Helper()
	sockets, err := handover.OpenSockets(p.Pods, p.UID)
	if err != nil {
		t.Fatal(err)
	}
	defer sockets.Close()
	peer, err := handover.Connect(r.ctx, sockets)
	if err != nil {
		return false // it begins to listen
	}
	defer peer.Close()
	return !peer.Waiting()
}

// kept lists what there is of NICs on this machine, in whatever state.
func kept(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"/run/tapir/nics/*.json", "/sys/fs/bpf/tapir/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, paths...)
	}
	return all
}

// living lists the NICs whose network namespaces live, as far as they can be read.
func living(t *testing.T) []string {
	t.Helper()
	nics, _ := datapath.List() // those that were killed half-way can't be read
	var names []string
	for _, n := range nics {
		names = append(names, n.Config().Name)
		n.Close()
	}
	return names
}
