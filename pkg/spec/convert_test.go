// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// UUID and MAC must stay what they are from version to version, so they are written down here.
func TestDefaults(t *testing.T) {
	got, err := convertYAML(t, `
metadata: {name: small.example, namespace: test}
spec: {domain: {memory: {guest: 64Mi}, devices: {}}}`)
	if err != nil {
		t.Fatal(err)
	}
	mac := net.HardwareAddr{0x9e, 0x22, 0x58, 0x9e, 0xe7, 0x02}
	want := &VM{
		Namespace:   "test",
		Name:        "small.example",
		Hostname:    "small",
		GracePeriod: 30 * time.Second,
		VM: vm.Config{
			Name:        "test_small.example",
			UUID:        "7558aa92-9b7a-5e59-9408-d3fb2b8a5b08",
			Sockets:     1,
			Cores:       1,
			Threads:     1,
			MemoryBytes: 64 << 20,
			Serial:      true,
			GuestAgent:  true,
		},
		NICs: []NIC{{
			Datapath: datapath.Config{
				Name:    "default",
				NIC:     "eth0",
				Tap:     "tap0",
				Binding: datapath.Masquerade,
				CIDR4:   netip.MustParsePrefix("10.0.2.0/24"),
				CIDR6:   netip.MustParsePrefix("fd10:0:2::/120"),
				MAC:     mac,
				Queues:  1,
				Flows:   16384,
			},
			Device: vm.NIC{Name: "default", MAC: mac, Model: "virtio", Queues: 1},
			DHCP:   dhcp.Config4{Common: dhcp.Common{Hostname: "small"}},
		}},
	}
	if diff := cmp.Diff(want, got, cmpAddresses); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEverything(t *testing.T) {
	got, err := convertYAML(t, everything[0])
	if err != nil {
		t.Fatal(err)
	}
	mac := net.HardwareAddr{0xde, 0xad, 0, 0, 0xbe, 0xaf}
	want := &VM{
		Namespace:   "test",
		Name:        "everything",
		Hostname:    "host",
		Subdomain:   "sub.domain",
		GracePeriod: 7 * time.Second,
		VM: vm.Config{
			Name:         "test_everything",
			UUID:         "5d307ca9-b3ef-428c-8861-06e72d69f223",
			SerialNumber: "S0",
			Machine:      "q35",
			CPUModel:     "EPYC",
			Sockets:      2,
			Cores:        3,
			Threads:      2,
			MemoryBytes:  64 << 20,
			Disks: []vm.Disk{
				{Name: "image", Source: vm.HostDisk, Path: "/image", Bus: "scsi", CDROM: true, ReadOnly: true, BootOrder: 1},
				{Name: "made", Source: vm.HostDisk, Path: "/made", Create: true, Bytes: 1 << 30, Bus: "virtio", ReadOnly: true, Serial: "S1"},
				{Name: "empty", Source: vm.EmptyDisk, Bytes: 1 << 30, Bus: "sata"},
				{Name: "seed", Source: vm.Seed, Bus: "sata"},
			},
			CloudInit: &vm.CloudInit{
				UserData:    "user",
				NetworkData: "network",
				MetaData:    "instance-id: \"everything.test\"\nlocal-hostname: \"host\"\n",
			},
			RNG:         true,
			GuestAgent:  true,
			StartPaused: true,
		},
		NICs: []NIC{{
			Datapath: datapath.Config{
				Name:    "default",
				NIC:     "eth0",
				Tap:     "tap0",
				Binding: datapath.Masquerade,
				Ports:   []datapath.Port{{Name: "http", Protocol: "tcp", Port: 80}},
				CIDR4:   netip.MustParsePrefix("10.1.0.0/24"),
				CIDR6:   netip.MustParsePrefix("fd00::/120"),
				MAC:     mac,
				Queues:  12,
				Flows:   16384,
			},
			Device: vm.NIC{Name: "default", MAC: mac, Model: "virtio", Queues: 12, BootOrder: 2, LinkDown: true},
			DHCP: dhcp.Config4{
				Common:         dhcp.Common{Hostname: "host", NTP: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
				BootFileName:   "boot",
				TFTPServerName: "tftp",
				Private:        map[uint8]string{240: "v"},
			},
		}},
	}
	if diff := cmp.Diff(want, got, cmpAddresses); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Cases that differ from the above in one value, which get returns.
func TestConvert(t *testing.T) {
	memory := "memory: {guest: 64Mi}"
	for name, test := range map[string]struct {
		domain, rest string // of the spec
		get          func(*VM) any
		want         any
	}{
		"memory by request":      {"resources: {requests: {memory: 96M}}", "", func(v *VM) any { return v.VM.MemoryBytes }, int64(96_000_000)},
		"guest memory wins":      {memory + ", resources: {requests: {memory: 1M}}", "", func(v *VM) any { return v.VM.MemoryBytes }, int64(64 << 20)},
		"cpus by request":        {memory + ", resources: {requests: {cpu: 1500m}}", "", topology, [3]int{2, 1, 1}},
		"topology wins":          {memory + ", cpu: {cores: 3}, resources: {requests: {cpu: 9}}", "", topology, [3]int{1, 3, 1}},
		"model alone":            {memory + ", cpu: {model: host-model}, resources: {requests: {cpu: 2}}", "", topology, [3]int{2, 1, 1}},
		"host model":             {memory + ", cpu: {model: host-model}", "", func(v *VM) any { return v.VM.CPUModel }, ""},
		"host passthrough":       {memory + ", cpu: {model: host-passthrough}", "", func(v *VM) any { return v.VM.CPUModel }, ""},
		"machine type":           {memory + ", machine: {type: pc-q35-7.2}", "", func(v *VM) any { return v.VM.Machine }, "pc-q35-7.2"},
		"no binding":             {memory + ", devices: {interfaces: [{name: a}]}", "networks: [{name: a, pod: {}}]", func(v *VM) any { return v.NICs[0].Datapath.Binding }, datapath.Masquerade},
		"no interface":           {memory + ", devices: {autoattachPodInterface: false}", "", func(v *VM) any { return len(v.NICs) }, 0},
		"leading zeros in CIDR":  {memory + ", devices: {interfaces: [{name: a}]}", "networks: [{name: a, pod: {vmNetworkCIDR: 10.10.010.0/24}}]", func(v *VM) any { return v.NICs[0].Datapath.CIDR4.String() }, "10.10.10.0/24"},
		"address in CIDR":        {memory + ", devices: {interfaces: [{name: a}]}", "networks: [{name: a, pod: {vmNetworkCIDR: 10.0.3.7/30}}]", func(v *VM) any { return v.NICs[0].Datapath.CIDR4.String() }, "10.0.3.4/30"},
		"smallest v6 CIDR":       {memory + ", devices: {interfaces: [{name: a}]}", `networks: [{name: a, pod: {vmIPv6NetworkCIDR: "fd00::4/126"}}]`, func(v *VM) any { return v.NICs[0].Datapath.CIDR6.String() }, "fd00::4/126"},
		"leading zeros in NTP":   {memory + ", devices: {interfaces: [{name: a, dhcpOptions: {ntpServers: [192.000.002.001]}}]}", "networks: [{name: a, pod: {}}]", func(v *VM) any { return v.NICs[0].DHCP.NTP[0].String() }, "192.0.2.1"},
		"MAC with dashes":        {memory + ", devices: {interfaces: [{name: a, macAddress: DE-AD-00-00-BE-AF}]}", "networks: [{name: a, pod: {}}]", func(v *VM) any { return v.NICs[0].Device.MAC.String() }, "de:ad:00:00:be:af"},
		"one queue for e1000":    {memory + ", cpu: {cores: 4}, devices: {networkInterfaceMultiqueue: true, interfaces: [{name: a, model: e1000}]}", "networks: [{name: a, pod: {}}]", func(v *VM) any { return v.NICs[0].Datapath.Queues }, 1},
		"256 queues":             {memory + ", cpu: {cores: 288}, devices: {networkInterfaceMultiqueue: true}", "", func(v *VM) any { return v.NICs[0].Device.Queues }, 256},
		"udp port":               {memory + ", devices: {interfaces: [{name: a, ports: [{port: 65535, protocol: UDP}]}]}", "networks: [{name: a, pod: {}}]", func(v *VM) any { return v.NICs[0].Datapath.Ports[0] }, datapath.Port{Protocol: "udp", Port: 65535}},
		"tcp port":               {memory + ", devices: {interfaces: [{name: a, ports: [{port: 1}]}]}", "networks: [{name: a, pod: {}}]", func(v *VM) any { return v.NICs[0].Datapath.Ports[0] }, datapath.Port{Protocol: "tcp", Port: 1}},
		"no grace":               {memory, "terminationGracePeriodSeconds: 0", func(v *VM) any { return v.GracePeriod }, time.Duration(0)},
		"disk with default bus":  {memory + ", devices: {disks: [{name: a, disk: {}}]}", "volumes: [{name: a, emptyDisk: {capacity: 1Gi}}]", func(v *VM) any { return v.VM.Disks[0].Bus }, "sata"},
		"disk without device":    {memory + ", devices: {disks: [{name: a}]}", "volumes: [{name: a, emptyDisk: {capacity: 1Gi}}]", func(v *VM) any { return v.VM.Disks[0].Bus }, "sata"},
		"cdrom with default bus": {memory + ", devices: {disks: [{name: a, cdrom: {}}]}", "volumes: [{name: a, emptyDisk: {capacity: 1Gi}}]", func(v *VM) any { return v.VM.Disks[0].Bus }, "sata"},
		"relative disk":          {memory, "volumes: [{name: a, hostDisk: {path: ../a.img, type: Disk}}]", func(v *VM) any { return v.VM.Disks[0].Path }, "/a.img"},
		"user data by Secret":    {memory, "volumes: [{name: a, cloudInitNoCloud: {secretRef: {name: one}}}]", func(v *VM) any { return v.VM.CloudInit.UserData }, "user"},
		"network data by Secret": {memory, "volumes: [{name: a, cloudInitNoCloud: {networkDataSecretRef: {name: one}}}]", func(v *VM) any { return v.VM.CloudInit.NetworkData }, "network"},
		"user data in base64":    {memory, "volumes: [{name: a, cloudInitNoCloud: {userDataBase64: aGk=}}]", func(v *VM) any { return v.VM.CloudInit.UserData }, "hi"},
	} {
		t.Run(name, func(t *testing.T) {
			domain := test.domain
			if !strings.Contains(domain, "devices:") {
				domain += ", devices: {}"
			}
			got, err := convertYAML(t, "metadata: {name: a, namespace: test}\nspec:\n  domain: {"+domain+"}\n  "+test.rest)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, test.get(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func topology(v *VM) any { return [3]int{v.VM.Sockets, v.VM.Cores, v.VM.Threads} }

func TestAnnotations(t *testing.T) {
	got, err := convertYAML(t, `
metadata:
  name: a
  annotations:
    tapir-vm.io/kernel: ./build/../vmlinuz
    tapir-vm.io/initrd: /boot/initrd
    tapir-vm.io/cmdline: console=ttyS0
    tapir-vm.io/ephemeral: root, data
    tapir-vm.io/redirect: peer
    tapir-vm.io/fastpath: xdp
    example.com/other: is not ours
spec:
  domain: {memory: {guest: 64Mi}, devices: {}}
  volumes:
  - {name: root, hostDisk: {path: root.qcow2, type: Disk}}
  - {name: data, hostDisk: {path: data.img, type: Disk}}
  - {name: kept, hostDisk: {path: kept.img, type: Disk}}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&vm.Kernel{Image: "/dir/vmlinuz", Initrd: "/boot/initrd", Cmdline: "console=ttyS0"}, got.VM.Kernel); diff != "" {
		t.Errorf("kernel: -want +got:\n%s", diff)
	}
	if way := got.NICs[0].Datapath.Redirect; way != datapath.RedirectPeer {
		t.Errorf("redirect: %q", way)
	}
	if fastpath := got.NICs[0].Datapath.Fastpath; fastpath != datapath.FastpathXDP {
		t.Errorf("fastpath %s", fastpath)
	}
	want := []vm.Disk{
		{Name: "root", Source: vm.Overlay, Path: "/dir/root.qcow2", Bus: "sata"},
		{Name: "data", Source: vm.Overlay, Path: "/dir/data.img", Bus: "sata"},
		{Name: "kept", Source: vm.HostDisk, Path: "/dir/kept.img", Bus: "sata"},
	}
	if diff := cmp.Diff(want, got.VM.Disks); diff != "" {
		t.Errorf("disks: -want +got:\n%s", diff)
	}
}

// An API server's objects must not make a launcher open files of its choice.
func TestObjectsWithoutDirectory(t *testing.T) {
	load := func(annotations, path string) (*VM, error) {
		objects, err := Load(Source{Name: "vm.yaml", Reader: strings.NewReader(`{apiVersion: kubevirt.io/v1, kind: VirtualMachineInstance,
			metadata: {name: a, annotations: {` + annotations + `}}, spec: {domain: {memory: {guest: 64Mi}, devices: {}},
			volumes: [{name: a, hostDisk: {type: Disk, path: ` + path + `}}]}}`)})
		if err != nil {
			t.Fatal(err)
		}
		return Convert(objects.Machines[0], objects)
	}
	for _, annotations := range []string{"tapir-vm.io/kernel: /boot/vmlinuz", "tapir-vm.io/kernel: vmlinuz"} {
		if _, err := load(annotations, "/disk"); err == nil {
			t.Errorf("%s is accepted", annotations)
		}
	}
	if _, err := load("", "disk"); err == nil {
		t.Error("a relative path is accepted")
	}
	if _, err := load("", "/disk"); err != nil {
		t.Error(err)
	}
}

// What is cut out of a long name is a host name still.
func TestHostnameOfALongName(t *testing.T) {
	vmi := clusterVMI(t, "spec: {domain: {memory: {guest: 64Mi}, devices: {}}}")
	vmi.Namespace, vmi.Name = "test", strings.Repeat("a", 62)+"-b.c"
	v, err := Convert(NewMachine(nil, vmi), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("a", 62); v.Hostname != want {
		t.Errorf("got %q, want %q", v.Hostname, want)
	}
}

func TestDerivedMAC(t *testing.T) {
	seen := map[string]string{}
	for _, id := range [][3]string{{"a", "b", "c"}, {"a", "b", "d"}, {"a", "c", "c"}, {"b", "b", "c"}, {"default", "demo", "default"}} {
		mac := deriveMAC(id[0], id[1], id[2])
		if again := deriveMAC(id[0], id[1], id[2]); !bytes.Equal(mac, again) {
			t.Errorf("%v has %v, then %v", id, mac, again)
		}
		if mac[0]&3 != 2 {
			t.Errorf("%v: %v is not local and unicast", id, mac)
		}
		if other, ok := seen[mac.String()]; ok {
			t.Errorf("%v has the address of %s", id, other)
		}
		seen[mac.String()] = id[1]
	}
}

// The launcher and admission have an object of the API, not a file.
func TestConvertWithoutLoad(t *testing.T) {
	vmi := &kubevirt.VirtualMachineInstance{}
	vmi.Namespace, vmi.Name = "test", "a"
	vmi.Spec.SchedulerName = "mine"
	_, err := Convert(&Machine{VMI: vmi}, &Objects{})
	want := `VirtualMachineInstance test/a: spec.domain.memory.guest: Required value: the guest needs memory, such as 1Gi
VirtualMachineInstance test/a: spec.schedulerName: takes a cluster`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want\n%s", err, want)
	}
}
