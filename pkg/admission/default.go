// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirt "kubevirt.io/api/core/v1"
)

const (
	architecture = "amd64"
	machineType  = "q35"
)

// defaultInstance sets what KubeVirt's webhook does on a new VirtualMachineInstance, for the fields that Tapir implements.
func defaultInstance(vmi *kubevirt.VirtualMachineInstance, o *Options) {
	spec := &vmi.Spec
	defaultPlatform(spec)
	defaultCPU(spec)
	defaultMemory(spec)
	defaultPullPolicies(spec)
	defaultNetwork(spec, o.Binding)
	defaultDisks(spec)
	if spec.EvictionStrategy == nil && o.EvictionStrategy != "" {
		spec.EvictionStrategy = &o.EvictionStrategy
	}
	kubevirt.SetObjectDefaults_VirtualMachineInstance(vmi)
	defaultBuses(spec)
}

// defaultMachine sets what belongs to a VirtualMachine for good: what its instances take over each time they start.
// KubeVirt leaves a template without interfaces so; here it gets the default one, which can then keep its MAC.
func defaultMachine(vm *kubevirt.VirtualMachine, o *Options) {
	spec := &vm.Spec.Template.Spec
	defaultPlatform(spec)
	defaultNetwork(spec, o.Binding)
	if spec.Domain.Firmware == nil {
		spec.Domain.Firmware = &kubevirt.Firmware{}
	}
	if spec.Domain.Firmware.UUID == "" {
		spec.Domain.Firmware.UUID = types.UID(uuid.NewString())
	}
	if spec.Domain.Firmware.Serial == "" {
		spec.Domain.Firmware.Serial = uuid.NewString()
	}
}

// keepIdentity takes over from the object as it was what its next version doesn't say. Manifests that are applied again
// don't say what was made up for them, and lists are replaced as a whole.
func keepIdentity(spec, old *kubevirt.VirtualMachineInstanceSpec) {
	if was := old.Domain.Firmware; was != nil {
		if spec.Domain.Firmware == nil {
			spec.Domain.Firmware = &kubevirt.Firmware{}
		}
		if spec.Domain.Firmware.UUID == "" {
			spec.Domain.Firmware.UUID = was.UUID
		}
		if spec.Domain.Firmware.Serial == "" {
			spec.Domain.Firmware.Serial = was.Serial
		}
	}
	macs := map[string]string{}
	for _, nic := range old.Domain.Devices.Interfaces {
		macs[nic.Name] = nic.MacAddress
	}
	for i := range spec.Domain.Devices.Interfaces {
		if nic := &spec.Domain.Devices.Interfaces[i]; nic.MacAddress == "" {
			nic.MacAddress = macs[nic.Name]
		}
	}
}

func defaultPlatform(spec *kubevirt.VirtualMachineInstanceSpec) {
	if spec.Architecture == "" {
		spec.Architecture = architecture
	}
	if spec.Domain.Machine == nil {
		spec.Domain.Machine = &kubevirt.Machine{}
	}
	if spec.Domain.Machine.Type == "" {
		spec.Domain.Machine.Type = machineType
	}
}

// defaultCPU gives a machine without topology a socket for each CPU that it may take or asks for.
func defaultCPU(spec *kubevirt.VirtualMachineInstanceSpec) {
	resources := &spec.Domain.Resources
	if limit, ok := resources.Limits[corev1.ResourceCPU]; ok && !limit.IsZero() {
		if resources.Requests == nil {
			resources.Requests = corev1.ResourceList{}
		}
		if request := resources.Requests[corev1.ResourceCPU]; request.IsZero() {
			resources.Requests[corev1.ResourceCPU] = limit
		}
	}
	if spec.Domain.CPU == nil {
		spec.Domain.CPU = &kubevirt.CPU{}
	}
	cpu := spec.Domain.CPU
	if cpu.Cores|cpu.Sockets|cpu.Threads == 0 {
		cpu.Cores, cpu.Sockets, cpu.Threads = 1, 1, 1
		for _, list := range []corev1.ResourceList{resources.Limits, resources.Requests} {
			// What doesn't fit a machine is left to validation to refuse.
			if q, ok := list[corev1.ResourceCPU]; ok && q.Sign() > 0 && q.CmpInt64(1<<16) < 0 {
				cpu.Sockets = uint32(q.Value())
				break
			}
		}
	}
	if cpu.Model == "" {
		cpu.Model = kubevirt.DefaultCPUModel
	}
}

func defaultMemory(spec *kubevirt.VirtualMachineInstanceSpec) {
	if spec.Domain.Memory != nil && spec.Domain.Memory.Guest != nil {
		return
	}
	for _, list := range []corev1.ResourceList{spec.Domain.Resources.Requests, spec.Domain.Resources.Limits} {
		if q := list[corev1.ResourceMemory]; !q.IsZero() {
			if spec.Domain.Memory == nil {
				spec.Domain.Memory = &kubevirt.Memory{}
			}
			spec.Domain.Memory.Guest = &q
			return
		}
	}
}

// defaultPullPolicies does for container disks what Kubernetes does for containers.
func defaultPullPolicies(spec *kubevirt.VirtualMachineInstanceSpec) {
	for i := range spec.Volumes {
		disk := spec.Volumes[i].ContainerDisk
		if disk == nil || disk.ImagePullPolicy != "" {
			continue
		}
		disk.ImagePullPolicy = corev1.PullIfNotPresent
		if strings.HasSuffix(disk.Image, ":latest") || !strings.ContainsAny(disk.Image, ":@") {
			disk.ImagePullPolicy = corev1.PullAlways
		}
	}
}

// defaultNetwork gives a machine without networks one on the pod network, and interfaces that name no binding
// the one that the installation says.
func defaultNetwork(spec *kubevirt.VirtualMachineInstanceSpec, binding Binding) {
	devices := &spec.Domain.Devices
	if attach := devices.AutoattachPodInterface; len(devices.Interfaces)+len(spec.Networks) == 0 && (attach == nil || *attach) {
		devices.Interfaces = []kubevirt.Interface{{Name: "default"}}
		spec.Networks = []kubevirt.Network{*kubevirt.DefaultPodNetwork()}
	}
	for i := range devices.Interfaces {
		nic := &devices.Interfaces[i]
		if nic.InterfaceBindingMethod != (kubevirt.InterfaceBindingMethod{}) || nic.Binding != nil {
			continue
		}
		switch binding {
		case BindingBridge:
			nic.Bridge = &kubevirt.InterfaceBridge{}
		default:
			nic.Masquerade = &kubevirt.InterfaceMasquerade{}
		}
	}
}

// defaultDisks gives each volume that has no disk one.
func defaultDisks(spec *kubevirt.VirtualMachineInstanceSpec) {
	attached := map[string]bool{}
	for _, disk := range spec.Domain.Devices.Disks {
		attached[disk.Name] = true
	}
	for _, volume := range spec.Volumes {
		if !attached[volume.Name] {
			attached[volume.Name] = true
			spec.Domain.Devices.Disks = append(spec.Domain.Devices.Disks, kubevirt.Disk{Name: volume.Name})
		}
	}
}

func defaultBuses(spec *kubevirt.VirtualMachineInstanceSpec) {
	for i := range spec.Domain.Devices.Disks {
		disk := &spec.Domain.Devices.Disks[i]
		if disk.Disk != nil && disk.Disk.Bus == "" {
			disk.Disk.Bus = kubevirt.DiskBusSATA
		}
		if disk.CDRom != nil && disk.CDRom.Bus == "" {
			disk.CDRom.Bus = kubevirt.DiskBusSATA
		}
	}
}
