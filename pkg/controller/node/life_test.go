// SPDX-License-Identifier: Apache-2.0

package node

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// A machine's life, through the death of an agent at each of its moments.
func TestLife(t *testing.T) {
	r := newRig(t)
	vmi, launcher := r.machine(t, "demo")

	// An agent that was killed after it attached, before it handed over.
	launcher.Start(t)
	sockets, err := handover.OpenSockets(r.pods, launcher.UID)
	if err != nil {
		t.Fatal(err)
	}
	defer sockets.Close()
	r.eventually(t, "the launcher listens", func() bool {
		peer, err := handover.Connect(r.ctx, sockets)
		if err != nil {
			return false
		}
		defer peer.Close()
		nic, err := datapath.Attach(datapath.Config{Name: "default/demo/default", NetNS: pathOf(peer.NetNS()), NIC: "eth0", Tap: "tap0",
			Binding: datapath.Masquerade, Queues: 1, TapUID: -1, TapGID: -1})
		if err != nil {
			t.Fatal(err)
		}
		nic.Close()
		return true
	})

	r.startAgent(t)
	now := r.wait(t, vmi, "running", phase(kubevirt.Running))
	if got := attached(t); !slices.Equal(got, []string{"default/demo/default/" + pod.Name(vmi)}) {
		t.Errorf("attached: %v", got)
	}
	want := kubevirt.VirtualMachineInstanceNetworkInterface{
		Name: "default", MAC: now.Status.Interfaces[0].MAC, PodInterfaceName: "eth0", QueueCount: 1, InfoSource: "domain", LinkState: "up",
		IP: nstest.IPv4.Pod.Addr().String(), IPs: []string{nstest.IPv4.Pod.Addr().String(), nstest.IPv6.Pod.Addr().String()},
	}
	if len(now.Status.Interfaces) != 1 || !equalInterfaces(now.Status.Interfaces[0], want) || want.MAC == "" {
		t.Errorf("interfaces %+v, want %+v", now.Status.Interfaces, want)
	}

	t.Run("ready with its pod", func(t *testing.T) {
		for _, s := range []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionTrue} {
			r.setPod(t, vmi, func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: s}}
			})
			r.wait(t, vmi, "ready "+string(s), func(vmi *kubevirt.VirtualMachineInstance) bool {
				c := status.Condition(vmi, kubevirt.VirtualMachineInstanceReady)
				return c != nil && c.Status == s
			})
		}
	})

	t.Run("agent started again", func(t *testing.T) {
		before := tapIndex(t, launcher.NetNS)
		r.stop()
		if got := attached(t); len(got) != 1 {
			t.Errorf("attached without an agent: %v", got)
		}
		r.clearInterfaces(t, vmi)
		seen := r.watch(t, vmi)
		r.startAgent(t)
		for now := range seen {
			if c := status.Condition(now, kubevirt.VirtualMachineInstanceReady); c == nil || c.Status != corev1.ConditionTrue {
				t.Errorf("not ready while it is adopted: %+v", now.Status.Conditions)
			}
			if len(now.Status.Interfaces) == 1 {
				break
			}
		}
		if after := tapIndex(t, launcher.NetNS); after != before {
			t.Errorf("the tap is another: %s, was %s", after, before)
		}
		nics, err := datapath.List()
		if err != nil || len(nics) != 1 {
			t.Fatalf("%d NICs: %v", len(nics), err)
		}
		defer nics[0].Close()
		if _, err := nics[0].LinkCounters(); err != nil {
			t.Errorf("the namespace isn't found any more: %v", err)
		}
	})

	t.Run("QEMU killed", func(t *testing.T) {
		if err := vm.Kill(r.ctx, launcher.Path(handover.PrivateDir)); err != nil {
			t.Fatal(err)
		}
		now := r.wait(t, vmi, "failed", phase(kubevirt.Failed))
		c := status.Condition(now, kubevirt.VirtualMachineInstanceReady)
		if c == nil || c.Status != corev1.ConditionFalse || !strings.Contains(c.Message, "killed") {
			t.Errorf("conditions %+v", now.Status.Conditions)
		}
		r.eventually(t, "detached", func() bool { return len(attached(t)) == 0 })
	})
}

func equalInterfaces(a, b kubevirt.VirtualMachineInstanceNetworkInterface) bool {
	ips := slices.Equal(a.IPs, b.IPs)
	a.IPs, b.IPs = nil, nil
	return ips && a.Name == b.Name && a.MAC == b.MAC && a.IP == b.IP && a.PodInterfaceName == b.PodInterfaceName &&
		a.QueueCount == b.QueueCount && a.InfoSource == b.InfoSource && a.LinkState == b.LinkState
}

func tapIndex(t *testing.T, netns *nstest.Namespace) string {
	return strings.SplitN(netns.Command(t, "ip", "-o", "link", "show", "tap0"), ":", 2)[0]
}

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
