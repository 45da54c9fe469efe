// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"maps"
	"reflect"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// maxSerial is what KubeVirt's webhook takes; a device shows as much of it as it can.
const maxSerial = 256

var serialFormat = regexp.MustCompile(`^[A-Za-z0-9_.+-]+$`)

// storage converts the volumes, each with the disk that it is attached as.
func (c *conversion) storage(v *VM) {
	volumes := c.volumes()
	paths := map[string]*field.Path{}
	disks := c.path.Child("domain", "devices", "disks")
	if c.tooMany(disks, len(c.spec.Domain.Devices.Disks)) {
		return
	}
	for i := range c.spec.Domain.Devices.Disks {
		disk, path := &c.spec.Domain.Devices.Disks[i], disks.Index(i)
		volume, ok := volumes[disk.Name]
		switch {
		case paths[disk.Name] != nil:
			c.fail(field.Duplicate(path.Child("name"), disk.Name))
			continue
		case !ok:
			c.fail(field.Invalid(path.Child("name"), disk.Name, "no volume has this name"))
			continue
		}
		paths[disk.Name] = path
		c.attach(v, volume, disk, path)
	}
	for i := range c.spec.Volumes {
		if volume := &c.spec.Volumes[i]; paths[volume.Name] == nil && volumes[volume.Name].Volume == volume {
			c.attach(v, volumes[volume.Name], &kubevirt.Disk{Name: volume.Name}, c.path.Child("volumes").Index(i))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.overlays)) {
		if volume, ok := volumes[name]; !ok || volume.HostDisk == nil || volume.HostDisk.Type != kubevirt.HostDiskExists {
			c.fail(field.Invalid(c.metadata.Child("annotations").Key(ephemeralAnnotation), name, "must be a hostDisk volume of type Disk"))
		}
	}
}

// volume is a volume and where it is.
type volume struct {
	*kubevirt.Volume
	path *field.Path
}

// volumes returns the volumes by name.
func (c *conversion) volumes() map[string]volume {
	named := map[string]volume{}
	list := c.path.Child("volumes")
	if c.tooMany(list, len(c.spec.Volumes)) {
		return nil
	}
	for i := range c.spec.Volumes {
		v, path := volume{&c.spec.Volumes[i], list.Index(i)}, list.Index(i)
		if _, ok := named[v.Name]; ok {
			c.fail(field.Duplicate(path.Child("name"), v.Name))
			continue
		}
		named[v.Name] = v
		c.failIf(path.Child("name"), v.Name, validation.IsDNS1123Label(v.Name))
		if n := countSet(v.VolumeSource); n == 0 {
			c.fail(field.Required(path, "says what is in it, such as emptyDisk"))
		} else if n > 1 {
			c.fail(field.Invalid(path, field.OmitValueType{}, "must be one thing only: keep one source"))
		}
	}
	return named
}

// countSet counts the pointers that are set in one of the API's structs of alternatives.
func countSet(alternatives any) (n int) {
	v := reflect.ValueOf(alternatives)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			n++
		}
	}
	return n
}

// attach adds a volume to the machine as a disk. Sources that aren't supported have been refused already.
func (c *conversion) attach(v *VM, volume volume, disk *kubevirt.Disk, path *field.Path) {
	d := c.disk(disk, path)
	switch {
	case volume.HostDisk != nil:
		c.hostDisk(&d, volume.HostDisk, volume.path.Child("hostDisk"))
	case volume.EmptyDisk != nil:
		d.Source = vm.EmptyDisk
		d.Bytes = c.bytes(volume.path.Child("emptyDisk", "capacity"), volume.EmptyDisk.Capacity, 1)
	case volume.CloudInitNoCloud != nil:
		d.Source = vm.Seed
		c.cloudInit(v, volume.CloudInitNoCloud, volume.path.Child("cloudInitNoCloud"))
	default:
		c.clusterVolume(&d, &volume.VolumeSource, volume.path)
	}
	v.VM.Disks = append(v.VM.Disks, d)
}

func (c *conversion) hostDisk(d *vm.Disk, source *kubevirt.HostDisk, path *field.Path) {
	d.Source = vm.HostDisk
	if c.overlays[d.Name] {
		d.Source = vm.Overlay
	}
	d.Path = c.hostPath(path.Child("path"), source.Path)
	if c.machine.Cluster {
		d.Path = hostDiskInPod(d.Name, d.Path)
	}
	switch source.Type {
	case kubevirt.HostDiskExists:
		if !source.Capacity.IsZero() {
			c.fail(field.Invalid(path.Child("capacity"), source.Capacity.String(), "goes with type DiskOrCreate: a disk that is there has its size"))
		}
	case kubevirt.HostDiskExistsOrCreate:
		d.Create = true
		d.Bytes = c.bytes(path.Child("capacity"), source.Capacity, 1)
	default:
		c.fail(field.NotSupported(path.Child("type"), source.Type, []kubevirt.HostDiskType{kubevirt.HostDiskExists, kubevirt.HostDiskExistsOrCreate}))
	}
}

// disk converts what a disk looks like to the guest.
func (c *conversion) disk(disk *kubevirt.Disk, path *field.Path) vm.Disk {
	d := vm.Disk{Name: disk.Name, Serial: disk.Serial}
	if disk.BootOrder != nil {
		d.BootOrder = int(*disk.BootOrder)
	}
	if disk.Serial != "" && (len(disk.Serial) > maxSerial || !serialFormat.MatchString(disk.Serial)) {
		c.fail(field.Invalid(path.Child("serial"), disk.Serial, "must be at most 256 of A-Z, a-z, 0-9, '_', '.', '+' and '-'"))
	}
	if n := countSet(disk.DiskDevice); n > 1 {
		c.fail(field.Invalid(path, field.OmitValueType{}, "must be one device only: keep one of disk and cdrom"))
	}
	switch {
	case disk.CDRom != nil:
		d.CDROM, d.ReadOnly = true, true
		d.Bus = c.bus(path.Child("cdrom", "bus"), disk.CDRom.Bus, kubevirt.DiskBusSATA, kubevirt.DiskBusSCSI)
		c.only(true, path.Child("cdrom", "readonly"), disk.CDRom.ReadOnly)
		if tray := disk.CDRom.Tray; tray != "" && tray != kubevirt.TrayStateClosed {
			c.fail(field.NotSupported(path.Child("cdrom", "tray"), tray, []kubevirt.TrayState{kubevirt.TrayStateClosed}))
		}
	case disk.Disk != nil:
		d.ReadOnly = disk.Disk.ReadOnly
		d.Bus = c.bus(path.Child("disk", "bus"), disk.Disk.Bus, kubevirt.DiskBusVirtio, kubevirt.DiskBusSATA, kubevirt.DiskBusSCSI)
		if d.ReadOnly && d.Bus == string(kubevirt.DiskBusSATA) {
			c.fail(field.Invalid(path.Child("disk", "readonly"), true, "is not for sata: use virtio or scsi, or a cdrom"))
		}
	default:
		d.Bus = string(kubevirt.DiskBusSATA)
	}
	return d
}

func (c *conversion) bus(path *field.Path, bus kubevirt.DiskBus, good ...kubevirt.DiskBus) string {
	switch {
	case bus == "":
		bus = kubevirt.DiskBusSATA
	case bus == kubevirt.DiskBusUSB:
		c.fail(field.Forbidden(path, "usb is "+notYet))
	case !slices.Contains(good, bus):
		c.fail(field.NotSupported(path, bus, good))
	}
	return string(bus)
}

// bootOrder checks that no two devices are to be booted at the same turn.
func (c *conversion) bootOrder() {
	devices, path := &c.spec.Domain.Devices, c.path.Child("domain", "devices")
	taken := map[uint]*field.Path{}
	check := func(at *field.Path, order *uint) {
		switch at = at.Child("bootOrder"); {
		case order == nil:
		case *order < 1 || *order > 2*maxDevices:
			c.fail(field.Invalid(at, *order, "must be from 1 on"))
		case taken[*order] != nil:
			c.fail(field.Invalid(at, *order, "is taken by "+taken[*order].String()))
		default:
			taken[*order] = at
		}
	}
	for i, d := range devices.Disks {
		check(path.Child("disks").Index(i), d.BootOrder)
	}
	for i, nic := range devices.Interfaces {
		check(path.Child("interfaces").Index(i), nic.BootOrder)
	}
}
