// SPDX-License-Identifier: Apache-2.0

package node

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/handover"
)

// report makes the machine's status say what launcher and pod do. It is pure, but for changing vmi.
func report(vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod, m *machine, now metav1.Time) {
	is := m.status()
	status.RemoveCondition(vmi, kubevirt.VirtualMachineInstanceSynchronized)
	vmi.Status.Interfaces = interfaces(m.nics, launcher, &is)
	switch is.State {
	case handover.Waiting, handover.Starting:
		setReady(vmi, corev1.ConditionFalse, kubevirt.GuestNotRunningReason, "the guest doesn't run yet", now)
	case handover.Running, handover.Paused:
		status.SetPhase(vmi, kubevirt.Running, now)
		reportRunning(vmi, launcher, &is, now)
	case handover.Ended:
		reportEnd(vmi, is.Exit, now)
	}
}

func reportRunning(vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod, is *handover.Status, now metav1.Time) {
	// Nobody can ask for it yet, so nobody is told more than that.
	status.SetCondition(vmi, kubevirt.VirtualMachineInstanceIsMigratable, corev1.ConditionFalse, "NotMigratable", "live migration is not supported yet", now)
	switch {
	case is.IOError:
		status.SetCondition(vmi, kubevirt.VirtualMachineInstancePaused, corev1.ConditionTrue, ReasonIOError,
			"a disk can't be written, as when its volume is full: the guest is paused, and goes on when there is room", now)
	case is.State == handover.Paused:
		status.SetCondition(vmi, kubevirt.VirtualMachineInstancePaused, corev1.ConditionTrue, "PausedByUser", "the guest is paused", now)
	default:
		status.RemoveCondition(vmi, kubevirt.VirtualMachineInstancePaused)
	}
	vmi.Status.GuestOSInfo = kubevirt.VirtualMachineInstanceGuestOSInfo{}
	if is.Guest != nil {
		vmi.Status.GuestOSInfo = is.Guest.OS
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceAgentConnected, corev1.ConditionTrue, "", "", now)
	} else {
		status.RemoveCondition(vmi, kubevirt.VirtualMachineInstanceAgentConnected)
	}
	// As in KubeVirt a machine is ready when its pod is, whose probes are the machine's.
	for _, c := range launcher.Status.Conditions {
		if c.Type == corev1.PodReady {
			setReady(vmi, c.Status, c.Reason, c.Message, now)
			return
		}
	}
	setReady(vmi, corev1.ConditionFalse, kubevirt.PodConditionMissingReason, "the machine's pod has no condition Ready", now)
}

// reportEnd does what the controller does when it sees the pod's end first.
func reportEnd(vmi *kubevirt.VirtualMachineInstance, exit *handover.Exit, now metav1.Time) {
	switch {
	case exit != nil && !exit.Failed:
		status.SetPhase(vmi, kubevirt.Succeeded, now)
		setReady(vmi, corev1.ConditionFalse, kubevirt.GuestNotRunningReason, "the guest has shut down", now)
	default:
		message := "the launcher doesn't say why the machine has ended"
		if exit != nil {
			message = exit.Message
		}
		status.SetPhase(vmi, kubevirt.Failed, now)
		vmi.Status.Reason = ReasonFailed
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, ReasonFailed, message, now)
		setReady(vmi, corev1.ConditionFalse, kubevirt.GuestNotRunningReason, message, now)
	}
}

func setReady(vmi *kubevirt.VirtualMachineInstance, s corev1.ConditionStatus, reason, message string, now metav1.Time) {
	status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, s, reason, message, now)
}

// maxGuestInterfaces is how many interfaces that only the guest knows KubeVirt shows.
const maxGuestInterfaces = 10

// Where what is said of an interface comes from.
const (
	fromDomain = "domain"
	fromAgent  = "guest-agent"
)

// interfaces lists the machine's NICs with the pod's addresses, by which the guest is reached, and then those that only the guest knows.
func interfaces(nics []nic, launcher *corev1.Pod, is *handover.Status) []kubevirt.VirtualMachineInstanceNetworkInterface {
	var list []kubevirt.VirtualMachineInstanceNetworkInterface
	known := map[string]int{}
	for i, n := range nics {
		known[n.mac] = i
		one := kubevirt.VirtualMachineInstanceNetworkInterface{
			Name: n.name, MAC: n.mac, PodInterfaceName: n.pod, QueueCount: int32(n.queues),
			InfoSource: fromDomain, LinkState: string(kubevirt.InterfaceStateLinkUp),
		}
		if slices.Contains(is.Down, n.name) {
			one.LinkState = string(kubevirt.InterfaceStateLinkDown)
		}
		for _, ip := range launcher.Status.PodIPs {
			one.IPs = append(one.IPs, ip.IP)
		}
		if len(one.IPs) > 0 {
			one.IP = one.IPs[0]
		}
		list = append(list, one)
	}
	if is.Guest == nil {
		return list
	}
	only := 0
	for _, g := range is.Guest.Interfaces {
		if i, ok := known[strings.ToLower(g.MAC)]; ok {
			list[i].InterfaceName, list[i].InfoSource = g.Name, fromDomain+", "+fromAgent
			continue
		}
		if g.Name == "lo" || only == maxGuestInterfaces {
			continue
		}
		only++
		one := kubevirt.VirtualMachineInstanceNetworkInterface{InterfaceName: g.Name, MAC: g.MAC, IPs: g.IPs, InfoSource: fromAgent}
		if len(g.IPs) > 0 {
			one.IP = g.IPs[0]
		}
		list = append(list, one)
	}
	return list
}
