// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Each manifest has one thing wrong with it, and one line that says so.
func TestInvalid(t *testing.T) {
	const (
		ok     = "memory: {guest: 64Mi}, devices: {}"
		nic    = "memory: {guest: 64Mi}, devices: {interfaces: [{name: a%s}]}"
		pod    = "networks: [{name: a, pod: {}}]"
		disk   = "memory: {guest: 64Mi}, devices: {disks: [{name: a%s}]}"
		volume = "volumes: [{name: a, emptyDisk: {capacity: 1Gi}}]"
	)
	with := func(format, what string) string { return fmt.Sprintf(format, what) }
	for name, test := range map[string]struct{ domain, rest, want string }{
		"no memory":             {"devices: {}", "", "spec.domain.memory.guest: Required"},
		"memory 0":              {"memory: {guest: 0}, devices: {}", "", "spec.domain.memory.guest: Invalid"},
		"memory below 1M":       {"resources: {requests: {memory: 999k}}, devices: {}", "", "spec.domain.resources.requests.memory: Invalid"},
		"negative memory":       {"memory: {guest: -1Gi}, devices: {}", "", "spec.domain.memory.guest: Invalid"},
		"vast memory":           {"memory: {guest: 16Ei}, devices: {}", "", "spec.domain.memory.guest: Invalid"},
		"memory limit":          {"memory: {guest: 64Mi}, resources: {limits: {memory: 1Gi}}, devices: {}", "", "spec.domain.resources.limits: takes a cluster"},
		"hugepages":             {"memory: {guest: 64Mi, hugepages: {pageSize: 2Mi}}, devices: {}", "", "spec.domain.memory.hugepages: not supported yet"},
		"too many cpus":         {"cpu: {cores: 17, sockets: 17}, " + ok, "", "spec.domain.cpu: Invalid"},
		"cpus that overflow":    {"cpu: {cores: 2147483648, sockets: 2147483648}, " + ok, "", "spec.domain.cpu: Invalid"},
		"too many by request":   {"resources: {requests: {cpu: 1Ei}}, " + ok, "", "spec.domain.resources.requests.cpu: Invalid"},
		"no cpu by request":     {"resources: {requests: {cpu: 0}}, " + ok, "", "spec.domain.resources.requests.cpu: Invalid"},
		"cpu model":             {`cpu: {model: "host,+vmx"}, ` + ok, "", "spec.domain.cpu.model: Invalid"},
		"cpu features":          {"cpu: {features: [{name: vmx}]}, " + ok, "", "spec.domain.cpu.features: not supported yet"},
		"machine type":          {"machine: {type: pc}, " + ok, "", "spec.domain.machine.type: Unsupported value"},
		"machine options":       {`machine: {type: "q35,accel=tcg"}, ` + ok, "", "spec.domain.machine.type: Unsupported value"},
		"uuid":                  {"firmware: {uuid: 1234}, " + ok, "", "spec.domain.firmware.uuid: Invalid value: must be text"},
		"system serial":         {`firmware: {serial: "a,b"}, ` + ok, "", "spec.domain.firmware.serial: Invalid"},
		"malformed uuid":        {"firmware: {uuid: abc}, " + ok, "", "spec.domain.firmware.uuid: Invalid"},
		"efi":                   {"firmware: {bootloader: {efi: {}}}, " + ok, "", "spec.domain.firmware.bootloader.efi: not supported yet"},
		"kernel boot":           {"firmware: {kernelBoot: {kernelArgs: a}}, " + ok, "", "spec.domain.firmware.kernelBoot: not supported yet: it takes images; for a kernel on this host use the annotations tapir-vm.io/kernel"},
		"architecture":          {ok, "architecture: arm64", "spec.architecture: Unsupported value"},
		"start strategy":        {ok, "startStrategy: Later", "spec.startStrategy: Unsupported value"},
		"graphics":              {"memory: {guest: 64Mi}, devices: {autoattachGraphicsDevice: true}", "", "spec.domain.devices.autoattachGraphicsDevice: true is not supported yet"},
		"balloon":               {"memory: {guest: 64Mi}, devices: {autoattachMemBalloon: true}", "", "spec.domain.devices.autoattachMemBalloon: true is not supported yet"},
		"gpus":                  {"memory: {guest: 64Mi}, devices: {gpus: [{name: a}]}", "", "spec.domain.devices.gpus: not supported yet"},
		"hostname":              {ok, "hostname: a.b", "spec.hostname: Invalid"},
		"subdomain":             {ok, "subdomain: A", "spec.subdomain: Invalid"},
		"negative grace":        {ok, "terminationGracePeriodSeconds: -1", "spec.terminationGracePeriodSeconds: Invalid"},
		"endless grace":         {ok, "terminationGracePeriodSeconds: 9223372036854775807", "spec.terminationGracePeriodSeconds: Invalid"},
		"scheduling":            {ok, "affinity: {}", "spec.affinity: takes a cluster"},
		"probe":                 {ok, "readinessProbe: {tcpSocket: {port: 80}}", "spec.readinessProbe: takes a cluster"},
		"257 NICs":              {"memory: {guest: 64Mi}, devices: {interfaces: [" + strings.Repeat("{name: a},", 257) + "]}", "", "spec.domain.devices.interfaces: Too many"},
		"257 networks":          {ok, "networks: [" + strings.Repeat("{name: a, pod: {}},", 257) + "]", "spec.networks: Too many"},
		"name of NIC":           {"memory: {guest: 64Mi}, devices: {interfaces: [{name: a.b}]}", "networks: [{name: a.b, pod: {}}]", "spec.domain.devices.interfaces[0].name: Invalid"},
		"NIC twice":             {"memory: {guest: 64Mi}, devices: {interfaces: [{name: a}, {name: a}]}", pod, "spec.domain.devices.interfaces[1].name: Duplicate"},
		"NIC without network":   {with(nic, ""), "", "spec.domain.devices.interfaces[0].name: Invalid"},
		"network without NIC":   {ok, pod, "spec.networks[0].name: Required"},
		"network twice":         {with(nic, ""), "networks: [{name: a, pod: {}}, {name: a, pod: {}}]", "spec.networks[1].name: Duplicate"},
		"network of no kind":    {with(nic, ""), "networks: [{name: a}]", "spec.networks[0]: Required"},
		"two pod networks":      {"memory: {guest: 64Mi}, devices: {interfaces: [{name: a}, {name: b}]}", "networks: [{name: a, pod: {}}, {name: b, pod: {}}]", "spec.networks[1].pod: Invalid"},
		"multus":                {with(nic, ", masquerade: {}"), "networks: [{name: a, multus: {networkName: b}}]", "spec.networks[0].multus: not supported yet"},
		"bridge":                {with(nic, ", bridge: {}"), pod, "spec.domain.devices.interfaces[0].bridge: not supported yet: use masquerade"},
		"sriov":                 {with(nic, ", sriov: {}"), pod, "spec.domain.devices.interfaces[0].sriov: not supported yet"},
		"passt":                 {with(nic, ", passtBinding: {}"), pod, "spec.domain.devices.interfaces[0].passtBinding: not supported yet"},
		"binding plugin":        {with(nic, ", binding: {name: b}"), pod, "spec.domain.devices.interfaces[0].binding: not supported yet"},
		"port ranges":           {with(nic, ", portRanges: [{protocol: TCP, start: 1, end: 2}]"), pod, "spec.domain.devices.interfaces[0].portRanges: not supported yet"},
		"NIC model":             {with(nic, ", model: ne3k"), pod, "spec.domain.devices.interfaces[0].model: Unsupported value"},
		"state":                 {with(nic, ", state: absent"), pod, "spec.domain.devices.interfaces[0].state: Unsupported value"},
		"MAC":                   {with(nic, ", macAddress: de:ad"), pod, "spec.domain.devices.interfaces[0].macAddress: Invalid"},
		"long MAC":              {with(nic, ", macAddress: de:ad:00:00:be:af:00:00"), pod, "spec.domain.devices.interfaces[0].macAddress: Invalid"},
		"gateway's MAC":         {with(nic, ", macAddress: 02-00-00-00-00-00"), pod, "spec.domain.devices.interfaces[0].macAddress: Invalid"},
		"multicast MAC":         {with(nic, ", macAddress: 01:00:5e:00:00:01"), pod, "spec.domain.devices.interfaces[0].macAddress: Invalid"},
		"no MAC":                {with(nic, ", macAddress: '00:00:00:00:00:00'"), pod, "spec.domain.devices.interfaces[0].macAddress: Invalid"},
		"port 0":                {with(nic, ", ports: [{port: 0}]"), pod, "spec.domain.devices.interfaces[0].ports[0].port: Invalid"},
		"port 65536":            {with(nic, ", ports: [{port: 65536}]"), pod, "spec.domain.devices.interfaces[0].ports[0].port: Invalid"},
		"negative port":         {with(nic, ", ports: [{port: -1}]"), pod, "spec.domain.devices.interfaces[0].ports[0].port: Invalid"},
		"protocol":              {with(nic, ", ports: [{port: 1, protocol: tcp}]"), pod, "spec.domain.devices.interfaces[0].ports[0].protocol: Unsupported value"},
		"port name":             {with(nic, ", ports: [{port: 1, name: '1'}]"), pod, "spec.domain.devices.interfaces[0].ports[0].name: Invalid"},
		"port name twice":       {with(nic, ", ports: [{port: 1, name: a}, {port: 2, name: a}]"), pod, "spec.domain.devices.interfaces[0].ports[1].name: Duplicate"},
		"NTP name":              {with(nic, ", dhcpOptions: {ntpServers: [ntp.example]}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.ntpServers[0]: Invalid"},
		"NTP over v6":           {with(nic, ", dhcpOptions: {ntpServers: ['::1']}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.ntpServers[0]: Invalid"},
		"64 NTP servers":        {with(nic, ", dhcpOptions: {ntpServers: ["+strings.Repeat("192.0.2.1,", 64)+"]}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.ntpServers: Too many"},
		"option 223":            {with(nic, ", dhcpOptions: {privateOptions: [{option: 223, value: a}]}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.privateOptions[0].option: Invalid"},
		"option 255":            {with(nic, ", dhcpOptions: {privateOptions: [{option: 255, value: a}]}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.privateOptions[0].option: Invalid"},
		"option 480":            {with(nic, ", dhcpOptions: {privateOptions: [{option: 480, value: a}]}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.privateOptions[0].option: Invalid"},
		"option twice":          {with(nic, ", dhcpOptions: {privateOptions: [{option: 224, value: a}, {option: 224, value: b}]}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.privateOptions[1].option: Duplicate"},
		"option without value":  {with(nic, ", dhcpOptions: {privateOptions: [{option: 254}]}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.privateOptions[0].value: Required"},
		"long boot file name":   {with(nic, ", dhcpOptions: {bootFileName: "+strings.Repeat("x", 256)+"}"), pod, "spec.domain.devices.interfaces[0].dhcpOptions.bootFileName: Too long"},
		"CIDR":                  {with(nic, ""), "networks: [{name: a, pod: {vmNetworkCIDR: 10.0.2.0}}]", "spec.networks[0].pod.vmNetworkCIDR: Invalid"},
		"CIDR of v6":            {with(nic, ""), "networks: [{name: a, pod: {vmNetworkCIDR: 'fd00::/120'}}]", "spec.networks[0].pod.vmNetworkCIDR: Invalid"},
		"small CIDR":            {with(nic, ""), "networks: [{name: a, pod: {vmNetworkCIDR: 10.0.2.0/31}}]", "spec.networks[0].pod.vmNetworkCIDR: Invalid"},
		"multicast CIDR":        {with(nic, ""), "networks: [{name: a, pod: {vmNetworkCIDR: 224.0.2.0/24}}]", "spec.networks[0].pod.vmNetworkCIDR: Invalid"},
		"v6 CIDR of v4":         {with(nic, ""), "networks: [{name: a, pod: {vmIPv6NetworkCIDR: 10.0.2.0/24}}]", "spec.networks[0].pod.vmIPv6NetworkCIDR: Invalid"},
		"mapped v6 CIDR":        {with(nic, ""), "networks: [{name: a, pod: {vmIPv6NetworkCIDR: '::ffff:10.0.2.0/120'}}]", "spec.networks[0].pod.vmIPv6NetworkCIDR: Invalid"},
		"small v6 CIDR":         {with(nic, ""), "networks: [{name: a, pod: {vmIPv6NetworkCIDR: 'fd00::/127'}}]", "spec.networks[0].pod.vmIPv6NetworkCIDR: Invalid"},
		"link-local v6 CIDR":    {with(nic, ""), "networks: [{name: a, pod: {vmIPv6NetworkCIDR: 'fe80::/120'}}]", "spec.networks[0].pod.vmIPv6NetworkCIDR: Invalid"},
		"disk without volume":   {with(disk, ""), "", "spec.domain.devices.disks[0].name: Invalid"},
		"disk twice":            {"memory: {guest: 64Mi}, devices: {disks: [{name: a}, {name: a}]}", volume, "spec.domain.devices.disks[1].name: Duplicate"},
		"disk and cdrom":        {with(disk, ", disk: {}, cdrom: {}"), volume, "spec.domain.devices.disks[0]: Invalid"},
		"lun":                   {with(disk, ", lun: {}"), volume, "spec.domain.devices.disks[0].lun: not supported yet"},
		"cache":                 {with(disk, ", cache: none"), volume, "spec.domain.devices.disks[0].cache: not supported yet"},
		"bus":                   {with(disk, ", disk: {bus: ide}"), volume, "spec.domain.devices.disks[0].disk.bus: Unsupported value"},
		"usb":                   {with(disk, ", disk: {bus: usb}"), volume, "spec.domain.devices.disks[0].disk.bus: usb is not supported yet"},
		"virtio cdrom":          {with(disk, ", cdrom: {bus: virtio}"), volume, "spec.domain.devices.disks[0].cdrom.bus: Unsupported value"},
		"open tray":             {with(disk, ", cdrom: {tray: open}"), volume, "spec.domain.devices.disks[0].cdrom.tray: Unsupported value"},
		"no ACPI":               {"features: {acpi: {enabled: false}}, " + ok, "", "spec.domain.features.acpi.enabled: false is not supported yet"},
		"cdrom to write":        {with(disk, ", cdrom: {readonly: false}"), volume, "spec.domain.devices.disks[0].cdrom.readonly: false is not supported yet"},
		"sata to read":          {with(disk, ", disk: {bus: sata, readonly: true}"), volume, "spec.domain.devices.disks[0].disk.readonly: Invalid"},
		"serial":                {with(disk, `, serial: "a,b"`), volume, "spec.domain.devices.disks[0].serial: Invalid"},
		"long serial":           {with(disk, ", serial: "+strings.Repeat("x", 257)), volume, "spec.domain.devices.disks[0].serial: Invalid"},
		"boot order 0":          {with(disk, ", bootOrder: 0"), volume, "spec.domain.devices.disks[0].bootOrder: Invalid"},
		"vast boot order":       {with(disk, ", bootOrder: 18446744073709551615"), volume, "spec.domain.devices.disks[0].bootOrder: Invalid"},
		"boot order twice":      {"memory: {guest: 64Mi}, devices: {disks: [{name: a, bootOrder: 1}], interfaces: [{name: a, bootOrder: 1}]}", volume + "\n  " + pod, "spec.domain.devices.interfaces[0].bootOrder: Invalid"},
		"volume twice":          {ok, "volumes: [{name: a, emptyDisk: {capacity: 1}}, {name: a, emptyDisk: {capacity: 1}}]", "spec.volumes[1].name: Duplicate"},
		"volume name":           {ok, "volumes: [{name: A, emptyDisk: {capacity: 1}}]", "spec.volumes[0].name: Invalid"},
		"volume of no kind":     {ok, "volumes: [{name: a}]", "spec.volumes[0]: Required"},
		"volume of two kinds":   {ok, "volumes: [{name: a, emptyDisk: {capacity: 1}, hostDisk: {path: /a, type: Disk}}]", "spec.volumes[0]: Invalid"},
		"empty emptyDisk":       {ok, "volumes: [{name: a, emptyDisk: {capacity: 0}}]", "spec.volumes[0].emptyDisk.capacity: Invalid"},
		"hostDisk type":         {ok, "volumes: [{name: a, hostDisk: {path: /a, type: Link}}]", "spec.volumes[0].hostDisk.type: Unsupported value"},
		"hostDisk path":         {ok, "volumes: [{name: a, hostDisk: {path: '', type: Disk}}]", "spec.volumes[0].hostDisk.path: Required"},
		"hostDisk control":      {ok, `volumes: [{name: a, hostDisk: {path: "/a\0b", type: Disk}}]`, "spec.volumes[0].hostDisk.path: Invalid"},
		"hostDisk size":         {ok, "volumes: [{name: a, hostDisk: {path: /a, type: Disk, capacity: 1Gi}}]", "spec.volumes[0].hostDisk.capacity: Invalid"},
		"hostDisk to make":      {ok, "volumes: [{name: a, hostDisk: {path: /a, type: DiskOrCreate}}]", "spec.volumes[0].hostDisk.capacity: Invalid"},
		"containerDisk":         {ok, "volumes: [{name: a, containerDisk: {image: a}}]", "spec.volumes[0].containerDisk: takes a cluster: copy the disk"},
		"claim":                 {ok, "volumes: [{name: a, persistentVolumeClaim: {claimName: a}}]", "spec.volumes[0].persistentVolumeClaim: takes a cluster: use hostDisk"},
		"ephemeral":             {ok, "volumes: [{name: a, ephemeral: {}}]", "spec.volumes[0].ephemeral: not supported yet: use hostDisk"},
		"config map":            {ok, "volumes: [{name: a, configMap: {name: a}}]", "spec.volumes[0].configMap: takes a cluster"},
		"257 volumes":           {ok, "volumes: [" + strings.Repeat("{name: a, emptyDisk: {capacity: 1}},", 257) + "]", "spec.volumes: Too many"},
		"257 disks":             {"memory: {guest: 64Mi}, devices: {disks: [" + strings.Repeat("{name: a},", 257) + "]}", "", "spec.domain.devices.disks: Too many"},
		"empty cloud-init":      {ok, "volumes: [{name: a, cloudInitNoCloud: {}}]", "spec.volumes[0].cloudInitNoCloud: Required"},
		"user data twice":       {ok, "volumes: [{name: a, cloudInitNoCloud: {userData: hunter2, userDataBase64: aHVudGVyMg==}}]", "spec.volumes[0].cloudInitNoCloud.userData: Invalid"},
		"network data twice":    {ok, "volumes: [{name: a, cloudInitNoCloud: {networkData: hunter2, networkDataSecretRef: {name: one}}}]", "spec.volumes[0].cloudInitNoCloud.networkData: Invalid"},
		"user data not base64":  {ok, "volumes: [{name: a, cloudInitNoCloud: {userDataBase64: hunter2}}]", "spec.volumes[0].cloudInitNoCloud.userDataBase64: Invalid"},
		"no such Secret":        {ok, "volumes: [{name: a, cloudInitNoCloud: {secretRef: {name: two}}}]", "spec.volumes[0].cloudInitNoCloud.secretRef.name: Invalid"},
		"no user data in it":    {ok, "volumes: [{name: a, cloudInitNoCloud: {secretRef: {name: empty}}}]", "spec.volumes[0].cloudInitNoCloud.secretRef.name: Invalid"},
		"two cloud-inits":       {ok, "volumes: [{name: a, cloudInitNoCloud: {userData: a}}, {name: b, cloudInitNoCloud: {userData: a}}]", "spec.volumes[1].cloudInitNoCloud: a second one is not supported yet"},
		"unknown field":         {"memory: {guest: 64Mi}, devices: {gpuz: []}", "", "spec.domain.devices.gpuz: Invalid value: there is no such field"},
		"other case":            {ok, "Hostname: a", "spec.Hostname: Invalid value: there is no such field"},
		"field inside of pod":   {with(nic, ""), "networks: [{name: a, pod: {cidr: a}}]", "spec.networks[0].pod.cidr: Invalid value: there is no such field"},
		"text for a number":     {"cpu: {cores: two}, " + ok, "", "spec.domain.cpu.cores: Invalid value: must be a whole number that is not negative"},
		"negative for unsigned": {"cpu: {cores: -1}, " + ok, "", "spec.domain.cpu.cores: Invalid value: must be a whole number that is not negative"},
		"fraction":              {ok, "terminationGracePeriodSeconds: 1.5", "spec.terminationGracePeriodSeconds: Invalid value: must be a whole number"},
		"no quantity":           {"memory: {guest: lots}, devices: {}", "", "spec.domain.memory.guest: Invalid value: must be a quantity, such as 1Gi"},
		"long quantity":         {"memory: {guest: '" + strings.Repeat("9", 1<<20) + "'}, devices: {}", "", "spec.domain.memory.guest: Invalid value: must be a quantity, such as 1Gi"},
		"vast exponent":         {"memory: {guest: '1e999999999'}, devices: {}", "", "spec.domain.memory.guest: Invalid value: must be a quantity, such as 1Gi"},
		"tiny exponent":         {"memory: {guest: '1e-999999999'}, devices: {}", "", "spec.domain.memory.guest: Invalid value: must be a quantity, such as 1Gi"},
		"list for a map":        {"memory: [], devices: {}", "", "spec.domain.memory: Invalid value: must be a map"},
		"map for a list":        {ok, "volumes: {}", "spec.volumes: Invalid value: must be a list"},
		"number for text":       {ok, "hostname: 12", "spec.hostname: Invalid value: must be text: put it in quotes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := convertYAML(t, "metadata: {name: a, namespace: test}\nspec:\n  domain: {"+test.domain+"}\n  "+test.rest+emptySecret)
			if err == nil {
				t.Fatal("it is accepted")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != 1 || !strings.HasPrefix(lines[0][strings.Index(lines[0], "spec"):], test.want) {
				t.Errorf("got  %s\nwant one line with %s", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: shows user data", err)
			}
			if unsupported := strings.Contains(test.want, "not supported yet") || strings.Contains(test.want, "takes a cluster"); errors.Is(err, errors.ErrUnsupported) != unsupported {
				t.Errorf("%s: is errors.ErrUnsupported: %t", err, !unsupported)
			}
		})
	}
}

const emptySecret = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: empty, namespace: test}\n"

func TestInvalidAnnotations(t *testing.T) {
	for annotations, want := range map[string]string{
		"tapir-vm.io/kernal: a":                                                    "[tapir-vm.io/kernal]: Unsupported value",
		"tapir-vm.io/initrd: a":                                                    "[tapir-vm.io/kernel]: Required",
		"tapir-vm.io/cmdline: a":                                                   "[tapir-vm.io/kernel]: Required",
		"tapir-vm.io/kernel: ''":                                                   "[tapir-vm.io/kernel]: Required",
		`tapir-vm.io/kernel: a, tapir-vm.io/initrd: ""`:                            "[tapir-vm.io/initrd]: Required",
		`tapir-vm.io/kernel: a, tapir-vm.io/cmdline: "a\n"`:                        "[tapir-vm.io/cmdline]: Invalid",
		"tapir-vm.io/kernel: a, tapir-vm.io/cmdline: " + strings.Repeat("x", 2048): "[tapir-vm.io/cmdline]: Too long",
		"tapir-vm.io/redirect: mirror":                                             `[tapir-vm.io/redirect]: Unsupported value: "mirror": supported values: "neigh", "peer"`,
		"tapir-vm.io/redirect: ''":                                                 "[tapir-vm.io/redirect]: Unsupported value",
		"tapir-vm.io/fastpath: dpdk":                                               "[tapir-vm.io/fastpath]: Unsupported value",
		"tapir-vm.io/ephemeral: b":                                                 "[tapir-vm.io/ephemeral]: Invalid",
		"tapir-vm.io/ephemeral: made":                                              "[tapir-vm.io/ephemeral]: Invalid",
		"tapir-vm.io/ephemeral: ''":                                                "[tapir-vm.io/ephemeral]: Invalid",
		"hooks.kubevirt.io/hookSidecars: a":                                        "[hooks.kubevirt.io/hookSidecars]: not supported yet",
		"kubevirt.io/ignitiondata: a":                                              "[kubevirt.io/ignitiondata]: not supported yet",
	} {
		_, err := convertYAML(t, "metadata: {name: a, annotations: {"+annotations+`}}
spec:
  domain: {memory: {guest: 64Mi}, devices: {}}
  volumes: [{name: made, hostDisk: {path: /a, type: DiskOrCreate, capacity: 1Gi}}]`)
		if want = "metadata.annotations" + want; err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %s", annotations, err, want)
		}
	}
}

func TestInvalidVirtualMachine(t *testing.T) {
	for spec, want := range map[string]string{
		"runStrategy: Sometimes":                                                      "spec.runStrategy: Unsupported value",
		"runStrategy: WaitAsReceiver":                                                 "spec.runStrategy: WaitAsReceiver is not supported yet",
		"running: true, runStrategy: Always":                                          "spec.runStrategy: Invalid",
		"instancetype: {name: a}":                                                     "spec.instancetype: not supported yet",
		"dataVolumeTemplates: [{metadata: {name: a}}]":                                "spec.dataVolumeTemplates: not supported yet",
		"updateVolumesStrategy: Replacement":                                          "spec.updateVolumesStrategy: not supported yet",
		"template: {spec: {domain: {}, hostname: A}}":                                 "spec.template.spec.hostname: Invalid",
		"template: {metadata: {annotations: {tapir-vm.io/a: b}}, spec: {domain: {}}}": "spec.template.metadata.annotations[tapir-vm.io/a]: Unsupported value",
	} {
		if !strings.Contains(spec, "template:") {
			spec += ", template: {spec: {domain: {}}}"
		}
		spec = strings.ReplaceAll(spec, "domain: {}", "domain: {memory: {guest: 1Gi}, devices: {}}")
		objects, err := Load(Source{Name: "vm.yaml", Reader: strings.NewReader(
			"{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: a}, spec: {" + spec + "}}")})
		if err == nil {
			_, err = Convert(objects.Machines[0], objects)
		}
		if want = "vm.yaml:1: VirtualMachine default/a: " + want; err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %s", spec, err, want)
		}
	}
}

// A VirtualMachine's own annotations say nothing about its machine, so ours would go unheeded there.
func TestAnnotationOfVirtualMachine(t *testing.T) {
	objects, err := Load(Source{Name: "vm.yaml", Reader: strings.NewReader(`
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: a
  annotations:
    tapir-vm.io/ephemeral: a
    example.com/other: a
spec: {template: {spec: {domain: {memory: {guest: 64Mi}, devices: {}}}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Convert(objects.Machines[0], objects)
	want := "vm.yaml:7: VirtualMachine default/a: metadata.annotations[tapir-vm.io/ephemeral]: Invalid value: belongs to spec.template.metadata"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
