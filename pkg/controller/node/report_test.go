// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/handover"
)

// A machine whose disk is full says so, and that nobody has paused it.
func TestReportIOError(t *testing.T) {
	vmi := &kubevirt.VirtualMachineInstance{}
	m := &machine{current: handover.Status{State: handover.Paused, IOError: true}}
	report(vmi, &corev1.Pod{}, m, metav1.Now())
	if c := paused(vmi); c == nil || c.Reason != "PausedIOError" {
		t.Errorf("conditions %+v", vmi.Status.Conditions)
	}
	m.current = handover.Status{State: handover.Paused}
	report(vmi, &corev1.Pod{}, m, metav1.Now())
	if c := paused(vmi); c == nil || c.Reason != "PausedByUser" {
		t.Errorf("conditions %+v", vmi.Status.Conditions)
	}
}

func TestReport(t *testing.T) {
	ready := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
	os := kubevirt.VirtualMachineInstanceGuestOSInfo{ID: "debian"}
	tests := map[string]struct {
		is    handover.Status
		phase kubevirt.VirtualMachineInstancePhase
		has   map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus
		os    kubevirt.VirtualMachineInstanceGuestOSInfo
	}{
		"waiting": {
			handover.Status{State: handover.Waiting}, kubevirt.Scheduled,
			map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{kubevirt.VirtualMachineInstanceReady: "False"}, kubevirt.VirtualMachineInstanceGuestOSInfo{},
		},
		"running": {
			handover.Status{State: handover.Running, Guest: &handover.Guest{OS: os}}, kubevirt.Running,
			map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{
				kubevirt.VirtualMachineInstanceReady: "True", kubevirt.VirtualMachineInstanceAgentConnected: "True", kubevirt.VirtualMachineInstanceIsMigratable: "False",
			}, os,
		},
		"paused": {
			handover.Status{State: handover.Paused}, kubevirt.Running,
			map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{
				kubevirt.VirtualMachineInstanceReady: "True", kubevirt.VirtualMachineInstancePaused: "True", kubevirt.VirtualMachineInstanceIsMigratable: "False",
			}, kubevirt.VirtualMachineInstanceGuestOSInfo{},
		},
		"ended": {
			handover.Status{State: handover.Ended, Exit: &handover.Exit{Message: "guest shutdown"}}, kubevirt.Succeeded,
			map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{kubevirt.VirtualMachineInstanceReady: "False"}, kubevirt.VirtualMachineInstanceGuestOSInfo{},
		},
		"failed": {
			handover.Status{State: handover.Ended, Exit: &handover.Exit{Failed: true, Message: "killed"}}, kubevirt.Failed,
			map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{
				kubevirt.VirtualMachineInstanceReady: "False", kubevirt.VirtualMachineInstanceSynchronized: "False",
			}, kubevirt.VirtualMachineInstanceGuestOSInfo{},
		},
		"ended without a word": {
			handover.Status{State: handover.Ended}, kubevirt.Failed,
			map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{
				kubevirt.VirtualMachineInstanceReady: "False", kubevirt.VirtualMachineInstanceSynchronized: "False",
			}, kubevirt.VirtualMachineInstanceGuestOSInfo{},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			vmi := &kubevirt.VirtualMachineInstance{Status: kubevirt.VirtualMachineInstanceStatus{Phase: kubevirt.Scheduled}}
			status.SetCondition(vmi, kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, ReasonSyncFailed, "once", metav1.Now())
			report(vmi, ready, &machine{current: tt.is}, metav1.Now())
			has := map[kubevirt.VirtualMachineInstanceConditionType]corev1.ConditionStatus{}
			for _, c := range vmi.Status.Conditions {
				has[c.Type] = c.Status
			}
			if diff := cmp.Diff(tt.has, has); diff != "" || vmi.Status.Phase != tt.phase || vmi.Status.GuestOSInfo != tt.os {
				t.Errorf("phase %s, want %s; OS %+v; conditions (-want +got):\n%s", vmi.Status.Phase, tt.phase, vmi.Status.GuestOSInfo, diff)
			}
		})
	}
}

// What the guest says of interfaces goes to those that it has from us by their MAC; of its own, ten are shown.
func TestInterfaces(t *testing.T) {
	launcher := &corev1.Pod{Status: corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: "10.1.2.3"}, {IP: "fd00::3"}}}}
	nics := []nic{{name: "default", pod: "eth0", mac: "02:00:00:00:00:09", queues: 2}}
	guest := &handover.Guest{Interfaces: []handover.GuestInterface{
		{Name: "lo", IPs: []string{"127.0.0.1"}},
		{Name: "enp1s0", MAC: "02:00:00:00:00:09", IPs: []string{"10.0.2.2"}},
	}}
	for i := range 2 * maxGuestInterfaces {
		guest.Interfaces = append(guest.Interfaces, handover.GuestInterface{Name: fmt.Sprintf("docker%d", i), IPs: []string{"172.17.0.1"}})
	}
	got := interfaces(nics, launcher, &handover.Status{Down: []string{"default"}, Guest: guest})
	if len(got) != 1+maxGuestInterfaces {
		t.Fatalf("%d interfaces: %+v", len(got), got)
	}
	want := []kubevirt.VirtualMachineInstanceNetworkInterface{
		{
			Name: "default", MAC: "02:00:00:00:00:09", IP: "10.1.2.3", IPs: []string{"10.1.2.3", "fd00::3"}, PodInterfaceName: "eth0",
			InterfaceName: "enp1s0", InfoSource: "domain, guest-agent", QueueCount: 2, LinkState: "down",
		},
		{InterfaceName: "docker0", IP: "172.17.0.1", IPs: []string{"172.17.0.1"}, InfoSource: "guest-agent"},
	}
	if diff := cmp.Diff(want, got[:2]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
