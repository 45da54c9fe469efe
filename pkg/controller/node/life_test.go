// SPDX-License-Identifier: Apache-2.0

package node

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/pkg/controller/status"
)

// SIGTERM from the kubelet.
func TestGuestEnded(t *testing.T) {
	r := newRig(t)
	r.startAgent(t)
	vmi, launcher := r.machine(t, "demo")
	launcher.Start(t)
	r.wait(t, vmi, "running", phase(kubevirt.Running))
	launcher.Stop(t)
	r.wait(t, vmi, "succeeded", phase(kubevirt.Succeeded))
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}

func TestLauncherKilled(t *testing.T) {
	r := newRig(t)
	r.startAgent(t)
	vmi, launcher := r.machine(t, "demo")
	launcher.Start(t)
	r.wait(t, vmi, "running", phase(kubevirt.Running))
	launcher.Kill()
	r.setPod(t, vmi, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}

// A machine that is deleted by force, as the API server has it when somebody takes its finalizers.
func TestMachineVanishes(t *testing.T) {
	r := newRig(t)
	r.startAgent(t)
	vmi, launcher := r.machine(t, "demo")
	launcher.Start(t)
	r.wait(t, vmi, "running", phase(kubevirt.Running))
	if err := r.Delete(r.ctx, vmi); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}

// A launcher that gives the network namespace of another pod is not joined to it.
func TestStrangeNamespace(t *testing.T) {
	r := newRig(t)
	r.startAgent(t)
	vmi, launcher := r.machine(t, "demo")
	launcher.NetNS.Command(t, "ip", "address", "del", nstest.IPv4.Pod.String(), "dev", "eth0")
	launcher.Start(t)
	now := r.wait(t, vmi, "refused", func(vmi *kubevirt.VirtualMachineInstance) bool {
		c := status.Condition(vmi, kubevirt.VirtualMachineInstanceSynchronized)
		return c != nil && strings.Contains(c.Message, ErrNotThePods.Error())
	})
	if now.Status.Phase != kubevirt.Scheduled || len(attached(t)) > 0 {
		t.Errorf("phase %s, attached %v", now.Status.Phase, attached(t))
	}
	launcher.NetNS.Command(t, "ip", "address", "add", nstest.IPv4.Pod.String(), "dev", "eth0")
	r.wait(t, vmi, "running", phase(kubevirt.Running))
	if err := r.Delete(r.ctx, &corev1.Pod{ObjectMeta: podMeta(vmi)}, &client.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
}
