// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"math"
	"regexp"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/vm"
)

const (
	maxCPUs   = 288       // of a q35 machine, up to QEMU 8.0
	minMemory = 1_000_000 // KubeVirt's webhook: 1M
)

var (
	machineFormat  = regexp.MustCompile(`^(q35|pc-q35-[a-z0-9.-]+)$`)
	cpuModelFormat = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// domain converts the machine itself, without its devices on disk and network.
func (c *conversion) domain() vm.Config {
	domain, path := &c.spec.Domain, c.path.Child("domain")
	sockets, cores, threads := c.cpus(path)
	config := vm.Config{
		Name:        c.machine.VMI.Namespace + "_" + c.machine.VMI.Name, // as libvirt knows KubeVirt's domains
		UUID:        deriveUUID(c.machine.VMI.Namespace, c.machine.VMI.Name),
		CPUModel:    c.cpuModel(path),
		Sockets:     sockets,
		Cores:       cores,
		Threads:     threads,
		MemoryBytes: c.memory(path),
		RNG:         domain.Devices.Rng != nil,
		Serial:      isOn(domain.Devices.AutoattachSerialConsole),
		GuestAgent:  true,
	}
	if machine := domain.Machine; machine != nil && machine.Type != "" {
		config.Machine = machine.Type
		if !machineFormat.MatchString(machine.Type) {
			c.fail(field.NotSupported(path.Child("machine", "type"), machine.Type, []string{"q35", "pc-q35-VERSION"}))
		}
	}
	if firmware := domain.Firmware; firmware != nil && firmware.UUID != "" {
		id, err := uuid.Parse(string(firmware.UUID))
		if err != nil {
			c.fail(field.Invalid(path.Child("firmware", "uuid"), firmware.UUID, "must be a UUID, such as "+config.UUID))
		}
		config.UUID = id.String()
	}
	if firmware := domain.Firmware; firmware != nil && firmware.Serial != "" {
		config.SerialNumber = firmware.Serial
		if len(firmware.Serial) > maxSerial || !serialFormat.MatchString(firmware.Serial) {
			c.fail(field.Invalid(path.Child("firmware", "serial"), firmware.Serial, "must be at most 256 of A-Z, a-z, 0-9, '_', '.', '+' and '-'"))
		}
	}
	if a := c.spec.Architecture; a != "" && a != "amd64" {
		c.fail(field.NotSupported(c.path.Child("architecture"), a, []string{"amd64"}))
	}
	if s := c.spec.StartStrategy; s != nil {
		config.StartPaused = true
		if *s != kubevirt.StartStrategyPaused {
			c.fail(field.NotSupported(c.path.Child("startStrategy"), *s, []kubevirt.StartStrategy{kubevirt.StartStrategyPaused}))
		} else if c.spec.LivenessProbe != nil {
			c.fail(field.Invalid(c.path.Child("startStrategy"), *s, "is not for a machine with a livenessProbe, which a paused guest doesn't answer"))
		}
	}
	if features := domain.Features; features != nil {
		c.only(true, path.Child("features", "acpi", "enabled"), features.ACPI.Enabled)
	}
	c.only(false, path.Child("devices", "autoattachGraphicsDevice"), domain.Devices.AutoattachGraphicsDevice)
	c.only(false, path.Child("devices", "autoattachMemBalloon"), domain.Devices.AutoattachMemBalloon)
	return config
}

// isOn is a setting that is on unless it is switched off.
func isOn(setting *bool) bool { return setting == nil || *setting }

// only refuses a setting that has one of its two values so far.
func (c *conversion) only(value bool, path *field.Path, setting *bool) {
	if setting != nil && *setting != value {
		c.fail(field.Forbidden(path, fmt.Sprintf("%t is %s", *setting, notYet)))
	}
}

// memory is the guest's in bytes.
func (c *conversion) memory(path *field.Path) int64 {
	requests := c.spec.Domain.Resources.Requests
	if memory := c.spec.Domain.Memory; memory != nil && memory.Guest != nil {
		return c.bytes(path.Child("memory", "guest"), *memory.Guest, minMemory)
	}
	if request, ok := requests["memory"]; ok {
		return c.bytes(path.Child("resources", "requests", "memory"), request, minMemory)
	}
	if limit, ok := c.spec.Domain.Resources.Limits["memory"]; ok {
		return c.bytes(path.Child("resources", "limits", "memory"), limit, minMemory)
	}
	c.fail(field.Required(path.Child("memory", "guest"), "the guest needs memory, such as 1Gi"))
	return 0
}

// bytes converts a size, which is from smallest on.
func (c *conversion) bytes(path *field.Path, q resource.Quantity, smallest int64) int64 {
	if q.CmpInt64(smallest) < 0 {
		c.fail(field.Invalid(path, q.String(), "must be at least "+resource.NewQuantity(smallest, resource.DecimalSI).String()))
	} else if q.CmpInt64(math.MaxInt64) >= 0 {
		c.fail(field.Invalid(path, q.String(), "is more than any machine has"))
	}
	return q.Value()
}

// cpus returns sockets, cores and threads. As in KubeVirt, a machine without topology has a socket for each CPU requested.
func (c *conversion) cpus(path *field.Path) (sockets, cores, threads int) {
	sockets, cores, threads = 1, 1, 1
	at := path.Child("cpu")
	if cpu := c.spec.Domain.CPU; cpu != nil && cpu.Sockets|cpu.Cores|cpu.Threads != 0 {
		sockets, cores, threads = max(int(cpu.Sockets), 1), max(int(cpu.Cores), 1), max(int(cpu.Threads), 1)
	} else if request, list, ok := c.cpuResource(); ok {
		at = path.Child("resources", list, "cpu")
		if request.Sign() <= 0 {
			c.fail(field.Invalid(at, request.String(), "must be more than 0"))
		} else if request.CmpInt64(maxCPUs) > 0 {
			sockets = maxCPUs + 1
		} else {
			sockets = int(request.Value())
		}
	}
	if sockets > maxCPUs || cores > maxCPUs || threads > maxCPUs || sockets*cores*threads > maxCPUs {
		c.fail(field.Invalid(at, field.OmitValueType{}, "has more CPUs than the 288 that a q35 machine can have"))
		return 1, 1, 1
	}
	return sockets, cores, threads
}

// cpuResource is how many CPUs the machine may take or, without a limit, asks for, and the list that says so.
func (c *conversion) cpuResource() (q resource.Quantity, list string, ok bool) {
	if q, ok = c.spec.Domain.Resources.Limits["cpu"]; ok {
		return q, "limits", true
	}
	q, ok = c.spec.Domain.Resources.Requests["cpu"]
	return q, "requests", ok
}

// cpuModel is "" where package vm is to choose, which chooses the host's if it can.
func (c *conversion) cpuModel(path *field.Path) string {
	cpu := c.spec.Domain.CPU
	if cpu == nil || cpu.Model == "" || cpu.Model == kubevirt.CPUModeHostModel || cpu.Model == kubevirt.CPUModeHostPassthrough {
		return ""
	}
	if !cpuModelFormat.MatchString(cpu.Model) {
		c.fail(field.Invalid(path.Child("cpu", "model"), cpu.Model, "is no name of a CPU model"))
	}
	return cpu.Model
}
