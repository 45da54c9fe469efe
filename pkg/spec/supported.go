// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// supportedField is a field that Tapir does what it says. A list's elements are "[]".
type supportedField struct{ path, meaning string }

// vmFields are the fields of a VirtualMachine's spec besides its template, which has vmiFields.
var vmFields = []supportedField{
	{"running", "deprecated form of `runStrategy`; one of the two at most"},
	{"runStrategy", "`Always`, `Halted`, `Manual`, `Once` or `RerunOnFailure`. `tapir run` is the request to start, and runs the machine once"},
}

// vmiFields are the fields of a VirtualMachineInstance's spec. What isn't here is refused.
var vmiFields = []supportedField{
	{"architecture", "`amd64`"},
	{"domain.cpu.cores", "default 1; sockets x cores x threads is at most 288"},
	{"domain.cpu.model", "a model of QEMU's; `host-model`, `host-passthrough` or nothing: the host's with KVM, all that QEMU can emulate without"},
	{"domain.cpu.sockets", "default 1; without any of the three, `resources.requests.cpu` rounded up"},
	{"domain.cpu.threads", "default 1"},
	{"domain.devices.autoattachGraphicsDevice", "`false`: there is no graphics device yet"},
	{"domain.devices.autoattachMemBalloon", "`false`: there is no balloon yet"},
	{"domain.devices.autoattachPodInterface", "`false`: no interface when none is listed"},
	{"domain.devices.autoattachSerialConsole", "default `true`"},
	{"domain.devices.disks[].bootOrder", "from 1, unique among disks and interfaces"},
	{"domain.devices.disks[].cdrom.bus", "`sata` (default) or `scsi`"},
	{"domain.devices.disks[].cdrom.readonly", "`true`"},
	{"domain.devices.disks[].cdrom.tray", "`closed`"},
	{"domain.devices.disks[].disk.bus", "`virtio`, `sata` (default) or `scsi`"},
	{"domain.devices.disks[].disk.readonly", "not with `sata`"},
	{"domain.devices.disks[].name", "the volume's; a volume without a disk gets one"},
	{"domain.devices.disks[].serial", "at most 256 of `A-Za-z0-9_.+-`"},
	{"domain.devices.interfaces[].bootOrder", "from 1, unique among disks and interfaces"},
	{"domain.devices.interfaces[].dhcpOptions.bootFileName", "DHCPv4 option 67, at most 255 bytes"},
	{"domain.devices.interfaces[].dhcpOptions.ntpServers[]", "DHCPv4 option 42: IPv4 addresses, at most 63"},
	{"domain.devices.interfaces[].dhcpOptions.privateOptions[].option", "224 to 254, each once"},
	{"domain.devices.interfaces[].dhcpOptions.privateOptions[].value", "1 to 255 bytes"},
	{"domain.devices.interfaces[].dhcpOptions.tftpServerName", "DHCPv4 option 66, at most 255 bytes"},
	{"domain.devices.interfaces[].macAddress", "48 bits, not multicast, not 02:00:00:00:00:00; default: derived from namespace, name and interface, always the same"},
	{"domain.devices.interfaces[].masquerade", "also what an interface gets that names no binding (KubeVirt: bridge)"},
	{"domain.devices.interfaces[].model", "`virtio` (default), `e1000`, `e1000e`, `igb`, `ne2k_pci`, `pcnet` or `rtl8139`"},
	{"domain.devices.interfaces[].name", "the network's; `A-Za-z0-9_-`"},
	{"domain.devices.interfaces[].ports[].name", "unique, an IANA service name"},
	{"domain.devices.interfaces[].ports[].port", "1 to 65535"},
	{"domain.devices.interfaces[].ports[].protocol", "`TCP` (default) or `UDP`"},
	{"domain.devices.interfaces[].state", "`up` (default) or `down`"},
	{"domain.devices.networkInterfaceMultiqueue", "virtio gets a queue for each CPU, at most 256"},
	{"domain.devices.rng", "virtio-rng"},
	{"domain.features.acpi.enabled", "`true`, which is also the default"},
	{"domain.firmware.bootloader.bios", "the default"},
	{"domain.firmware.serial", "the system's serial number (SMBIOS): at most 256 of `A-Za-z0-9_.+-`"},
	{"domain.firmware.uuid", "default: derived from namespace and name, always the same"},
	{"domain.machine.type", "`q35` (default) or `pc-q35-VERSION`"},
	{"domain.memory.guest", "default `resources.requests.memory`; one of them is needed"},
	{"domain.resources.requests.cpu", "number of CPUs when `cpu` has no topology"},
	{"domain.resources.requests.memory", "the guest's memory when `memory.guest` isn't set; at least 1M"},
	{"hostname", "a DNS label; default: the machine's name up to its first dot"},
	{"networks[].name", "an interface's; without interfaces and networks there is `default` on the pod network"},
	{"networks[].pod.vmIPv6NetworkCIDR", "default fd10:0:2::/120, at most /126; the gateway is its first address, the guest its second"},
	{"networks[].pod.vmNetworkCIDR", "default 10.0.2.0/24, at most /30; the gateway is its first address, the guest its second"},
	{"startStrategy", "`Paused`; not with a `livenessProbe`"},
	{"subdomain", "a DNS subdomain, put before the search domain that DHCP gives as domain"},
	{"terminationGracePeriodSeconds", "default 30; 0 switches off at once"},
	{"volumes[].cloudInitNoCloud.networkData", "one of the three"},
	{"volumes[].cloudInitNoCloud.networkDataBase64", "one of the three"},
	{"volumes[].cloudInitNoCloud.networkDataSecretRef.name", "one of the three: key `networkdata` or `networkData` of a Secret among the given objects"},
	{"volumes[].cloudInitNoCloud.secretRef.name", "one of the three: key `userdata` or `userData` of a Secret among the given objects"},
	{"volumes[].cloudInitNoCloud.userData", "one of the three; KubeVirt takes 2048 bytes, Tapir has no limit of its own"},
	{"volumes[].cloudInitNoCloud.userDataBase64", "one of the three"},
	{"volumes[].emptyDisk.capacity", "gone with the machine"},
	{"volumes[].hostDisk.capacity", "with type `DiskOrCreate`, and needed for it"},
	{"volumes[].hostDisk.path", "raw, or qcow2 if its name ends in `.qcow2`; relative to the manifest's directory"},
	{"volumes[].hostDisk.type", "`Disk` or `DiskOrCreate`"},
	{"volumes[].name", "a DNS label, unique"},
}

// clusterFields are the further fields of a machine in a cluster; ".*" is all that is in a field. Whether Kubernetes takes
// what is in those, which end up in the pod as they are, is for its API server to say.
var clusterFields = []supportedField{
	{"affinity.*", "of the pod"},
	{"domain.resources.limits.cpu", "of the pod; number of CPUs when `cpu` has no topology"},
	{"domain.resources.limits.memory", "of the guest: the pod gets what QEMU takes on top; the guest's memory when nothing else says it"},
	{"evictionStrategy", "`None`, `LiveMigrate`, `LiveMigrateIfPossible` or `External`: `LiveMigrate` and `External` keep the pod from being evicted"},
	{"livenessProbe.exec.command[]", "runs in the guest, by its agent"},
	{"livenessProbe.failureThreshold", "as of a pod"},
	{"livenessProbe.guestAgentPing", "asks the guest's agent"},
	{"livenessProbe.httpGet.*", "asks the guest by the pod's address"},
	{"livenessProbe.initialDelaySeconds", "as of a pod"},
	{"livenessProbe.periodSeconds", "as of a pod"},
	{"livenessProbe.successThreshold", "1"},
	{"livenessProbe.tcpSocket.*", "connects to the guest by the pod's address"},
	{"livenessProbe.timeoutSeconds", "as of a pod"},
	{"nodeSelector.*", "of the pod"},
	{"priorityClassName", "of the pod"},
	{"readinessProbe.exec.command[]", "runs in the guest, by its agent"},
	{"readinessProbe.failureThreshold", "as of a pod"},
	{"readinessProbe.guestAgentPing", "asks the guest's agent"},
	{"readinessProbe.httpGet.*", "asks the guest by the pod's address"},
	{"readinessProbe.initialDelaySeconds", "as of a pod"},
	{"readinessProbe.periodSeconds", "as of a pod"},
	{"readinessProbe.successThreshold", "as of a pod"},
	{"readinessProbe.tcpSocket.*", "connects to the guest by the pod's address"},
	{"readinessProbe.timeoutSeconds", "as of a pod"},
	{"schedulerName", "of the pod"},
	{"tolerations.*", "of the pod"},
	{"topologySpreadConstraints.*", "of the pod"},
	{"volumes[].configMap.name", "a read-only disk with the ConfigMap's files"},
	{"volumes[].configMap.optional", "an empty disk when there is no such ConfigMap"},
	{"volumes[].configMap.volumeLabel", "of the file system, at most 32 characters"},
	{"volumes[].containerDisk.image", "with the disk, raw or qcow2, under `/disk`; changes are gone with the machine"},
	{"volumes[].containerDisk.imagePullPolicy", "default `Always` for an image without tag or with `latest`, else `IfNotPresent`"},
	{"volumes[].containerDisk.imagePullSecret", "a Secret of the machine's namespace"},
	{"volumes[].containerDisk.path", "of the disk in the image, if it isn't the one file under `/disk`"},
	{"volumes[].dataVolume.name", "its PersistentVolumeClaim of the same name"},
	{"volumes[].persistentVolumeClaim.claimName", "of mode `Block`, or `Filesystem` with a raw `disk.img` in it; one that has none is given a blank one of its size"},
	{"volumes[].persistentVolumeClaim.readOnly", "default `false`"},
	{"volumes[].secret.optional", "an empty disk when there is no such Secret"},
	{"volumes[].secret.secretName", "a read-only disk with the Secret's files"},
	{"volumes[].secret.volumeLabel", "of the file system, at most 32 characters"},
}

// advice says what to use instead of some fields that are not supported.
var advice = map[string]string{
	"domain.devices.interfaces[].bridge": "use masquerade",
	"domain.firmware.kernelBoot":         "it takes images; for a kernel on this host use the annotations " + kernelAnnotation + ", " + initrdAnnotation + " and " + cmdlineAnnotation,
	"volumes[].ephemeral":                "use hostDisk with " + ephemeralAnnotation,
}

// hostAdvice says what to use on a host instead of what only a cluster has.
var hostAdvice = map[string]string{
	"volumes[].containerDisk":         "copy the disk out of the image and use hostDisk, with " + ephemeralAnnotation + " to keep it as it is",
	"volumes[].dataVolume":            "use hostDisk",
	"volumes[].persistentVolumeClaim": "use hostDisk",
}

var (
	vmReach      = reach(vmFields)
	vmiReach     = reach(vmiFields)
	clusterReach = reach(slices.Concat(vmiFields, clusterFields))
)

// reach is the set of all fields and all that they are in. With a field that is supported as a whole its ".*" is in
// the set too.
func reach(fields []supportedField) map[string]bool {
	set := map[string]bool{}
	for _, f := range fields {
		for path := f.path; path != ""; {
			set[path] = true
			if list, ok := strings.CutSuffix(path, "[]"); ok {
				path = list
			} else {
				path = path[:max(strings.LastIndexByte(path, '.'), 0)]
			}
		}
	}
	return set
}

// unsupported lists the fields that are set and aren't supported: of a part that is refused as a whole, only the whole.
func (m *Machine) unsupported(path *field.Path) field.ErrorList {
	w := walker{reach: vmiReach}
	if m.Cluster {
		w.reach = clusterReach
	}
	errs := w.walk(path, "", tree(&m.VMI.Spec))
	if m.VM != nil {
		spec := m.VM.Spec.DeepCopy()
		spec.Template = nil
		errs = append(errs, walker{reach: vmReach}.walk(field.NewPath("spec"), "", tree(spec))...)
	}
	return errs
}

// walker looks for fields that are out of reach.
type walker struct{ reach map[string]bool }

func (w walker) walk(path *field.Path, pattern string, value any) field.ErrorList {
	var errs field.ErrorList
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			at, inside := path.Child(name), strings.TrimPrefix(pattern+"."+name, ".")
			switch {
			case value[name] == nil || w.reach[inside+".*"]:
			case w.reach[inside]:
				errs = append(errs, w.walk(at, inside, value[name])...)
			default:
				errs = append(errs, field.Forbidden(at, refusal(inside)))
			}
		}
	case []any:
		for i, element := range value {
			errs = append(errs, w.walk(path.Index(i), pattern+"[]", element)...)
		}
	}
	return errs
}

const (
	notYet      = "not supported yet"
	onlyCluster = "takes a cluster"
)

// refusal says why a field isn't taken, and what to do about it.
func refusal(pattern string) string {
	reason, instead := notYet, advice[pattern]
	if clusterReach[pattern] {
		reason, instead = onlyCluster, hostAdvice[pattern]
	}
	if instead != "" {
		return reason + ": " + instead
	}
	return reason
}

// tree is what is set in a part of an object. A field that is left out when it is empty counts as unset, as it does
// for the API server.
func tree(part any) any {
	text, err := json.Marshal(part)
	var value any
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		panic(fmt.Sprintf("spec: an API type does not encode: %v", err))
	}
	return value
}
