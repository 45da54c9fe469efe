// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// compute is the launcher's container, still without volumes.
func compute(vmi *kubevirt.VirtualMachineInstance, s Settings, resources corev1.ResourceRequirements) corev1.Container {
	acceleration := "kvm"
	if s.Emulation {
		acceleration = "tcg"
	}
	return corev1.Container{
		Name:            handover.Container,
		Image:           s.Image,
		Command:         handover.LauncherCommand(acceleration),
		Ports:           ports(vmi),
		Resources:       resources,
		LivenessProbe:   probe(vmi.Spec.LivenessProbe),
		ReadinessProbe:  probe(vmi.Spec.ReadinessProbe),
		SecurityContext: restricted(),

		// A launcher that couldn't even say why it ended has at least written what it was at.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
}

// ports are those that the guest's interfaces declare, so that a Service's targetPort may name one.
func ports(vmi *kubevirt.VirtualMachineInstance) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for _, nic := range vmi.Spec.Domain.Devices.Interfaces {
		for _, port := range nic.Ports {
			protocol := corev1.Protocol(strings.ToUpper(port.Protocol))
			if protocol == "" {
				protocol = corev1.ProtocolTCP
			}
			ports = append(ports, corev1.ContainerPort{Name: port.Name, Protocol: protocol, ContainerPort: port.Port})
		}
	}
	return ports
}

func restricted() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// execMargin is how many seconds longer than the guest's the launcher's own part of a probe may take, as in KubeVirt.
const execMargin = 1

// probe turns a probe of the guest into one of its pod: a connection to the pod's address reaches the guest through the
// datapath, and what the guest's agent is asked goes through the launcher.
func probe(p *kubevirt.Probe) *corev1.Probe {
	if p == nil {
		return nil
	}
	probe := &corev1.Probe{
		InitialDelaySeconds: p.InitialDelaySeconds,
		TimeoutSeconds:      p.TimeoutSeconds,
		PeriodSeconds:       p.PeriodSeconds,
		SuccessThreshold:    p.SuccessThreshold,
		FailureThreshold:    p.FailureThreshold,
	}
	switch {
	case p.HTTPGet != nil:
		probe.HTTPGet = p.HTTPGet
		return probe
	case p.TCPSocket != nil:
		probe.TCPSocket = p.TCPSocket
		return probe
	case p.Exec != nil:
		probe.Exec = &corev1.ExecAction{Command: handover.ExecCommand(p.Exec.Command)}
	case p.GuestAgentPing != nil:
		probe.Exec = &corev1.ExecAction{Command: handover.PingCommand()}
	}
	probe.TimeoutSeconds = max(p.TimeoutSeconds, 1) + execMargin
	return probe
}
