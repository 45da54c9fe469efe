// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubevirt "kubevirt.io/api/core/v1"
)

// KVM is the device that the node's agent offers where KVM runs guests. The name is KubeVirt's: quotas know it.
const KVM corev1.ResourceName = "devices.kubevirt.io/kvm"

// Memory that a machine takes beyond its guest's, in bytes.
const (
	overheadBase      = 160 << 20 // launcher, QEMU's code and heap, firmware, the buffers of a NIC and a disk
	overheadCPU       = 8 << 20   // a thread's stack and state
	overheadEmulation = 256 << 20 // translated code, which QEMU keeps
	pageTableShare    = 512       // an entry of 8 bytes for each page of 4 KiB
)

// cpuRatio is how many CPUs of guests share one that is requested, where the machine says nothing: KubeVirt's default.
const cpuRatio = 10

// Overhead is the memory that a machine's pod takes beyond its guest's, in bytes:
//
//	160 MiB + 8 MiB x vCPUs + guest's memory / 512 (+ 256 MiB when it is emulated)
func Overhead(vmi *kubevirt.VirtualMachineInstance, emulation bool) resource.Quantity {
	memory := guestMemory(vmi)
	bytes := overheadBase + overheadCPU*vCPUs(vmi) + memory.Value()/pageTableShare
	if emulation {
		bytes += overheadEmulation
	}
	return *resource.NewQuantity(bytes, resource.BinarySI)
}

// resources are the launcher container's.
func resources(vmi *kubevirt.VirtualMachineInstance, s Settings) corev1.ResourceRequirements {
	given := vmi.Spec.Domain.Resources
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	maps.Copy(requests, given.Requests)
	maps.Copy(limits, given.Limits)

	if _, ok := requests[corev1.ResourceMemory]; !ok {
		requests[corev1.ResourceMemory] = guestMemory(vmi)
	}
	if _, ok := requests[corev1.ResourceCPU]; !ok {
		request := *resource.NewMilliQuantity(vCPUs(vmi)*1000/cpuRatio, resource.DecimalSI)
		if limit, ok := limits[corev1.ResourceCPU]; ok { // as Kubernetes does
			request = limit
		}
		requests[corev1.ResourceCPU] = request
	}
	overhead := Overhead(vmi, s.Emulation)
	add(requests, corev1.ResourceMemory, overhead)
	if _, ok := limits[corev1.ResourceMemory]; ok {
		add(limits, corev1.ResourceMemory, overhead)
	}
	if !s.Emulation {
		requests[KVM], limits[KVM] = resource.MustParse("1"), resource.MustParse("1")
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

func add(list corev1.ResourceList, name corev1.ResourceName, more resource.Quantity) {
	sum := list[name].DeepCopy()
	sum.Add(more)
	list[name] = sum
}

// withoutDevices leaves out what only the launcher uses.
func withoutDevices(r corev1.ResourceRequirements) corev1.ResourceRequirements {
	r = *r.DeepCopy()
	delete(r.Requests, KVM)
	delete(r.Limits, KVM)
	return r
}

// guestMemory is what the guest sees, as pkg/spec has it.
func guestMemory(vmi *kubevirt.VirtualMachineInstance) resource.Quantity {
	if memory := vmi.Spec.Domain.Memory; memory != nil && memory.Guest != nil {
		return *memory.Guest
	}
	if request, ok := vmi.Spec.Domain.Resources.Requests[corev1.ResourceMemory]; ok {
		return request
	}
	return vmi.Spec.Domain.Resources.Limits[corev1.ResourceMemory]
}

// vCPUs is how many CPUs the guest sees, as pkg/spec has it.
func vCPUs(vmi *kubevirt.VirtualMachineInstance) int64 {
	if cpu := vmi.Spec.Domain.CPU; cpu != nil && cpu.Sockets|cpu.Cores|cpu.Threads != 0 {
		return int64(max(cpu.Sockets, 1)) * int64(max(cpu.Cores, 1)) * int64(max(cpu.Threads, 1))
	}
	for _, list := range []corev1.ResourceList{vmi.Spec.Domain.Resources.Limits, vmi.Spec.Domain.Resources.Requests} {
		if cpu, ok := list[corev1.ResourceCPU]; ok {
			return max(cpu.Value(), 1)
		}
	}
	return 1
}
