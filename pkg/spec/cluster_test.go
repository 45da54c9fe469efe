// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/tapir-vm/tapir/pkg/vm"
)

func clusterVMI(t *testing.T, manifest string) *kubevirt.VirtualMachineInstance {
	t.Helper()
	vmi := &kubevirt.VirtualMachineInstance{}
	if err := yaml.UnmarshalStrict([]byte(manifest), vmi); err != nil {
		t.Fatal(err)
	}
	return vmi
}

func TestClusterVolumes(t *testing.T) {
	vmi := clusterVMI(t, `
metadata: {name: a, namespace: test}
spec:
  evictionStrategy: LiveMigrate
  nodeSelector: {a: b}
  readinessProbe: {tcpSocket: {port: 22}, periodSeconds: 5}
  domain:
    resources: {limits: {cpu: 3, memory: 1Gi}, requests: {cpu: 1, memory: 512Mi}}
    devices: {disks: [{name: image, disk: {bus: virtio}}, {name: cd, cdrom: {}}]}
  volumes:
  - {name: image, containerDisk: {image: images.example/debian, path: /disk/a.qcow2}}
  - {name: cd, containerDisk: {image: images.example/tools}}
  - {name: claim, persistentVolumeClaim: {claimName: claim, readOnly: true}}
  - {name: data, dataVolume: {name: data}}
  - {name: config, configMap: {name: config, volumeLabel: cfg}}
  - {name: keys, secret: {secretName: keys}}
  - {name: node, hostDisk: {path: /srv/x.qcow2, type: Disk}}
  - {name: seed, cloudInitNoCloud: {secretRef: {name: one}}}
`)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "one"}, Data: map[string][]byte{"userdata": []byte("user")}}
	got, err := Convert(NewMachine(nil, vmi), NewObjects(secret))
	if err != nil {
		t.Fatal(err)
	}
	want := []vm.Disk{
		{Name: "image", Source: vm.Overlay, Path: "/var/lib/tapir/disks/image/disk.img", Bus: "virtio"},
		{Name: "cd", Source: vm.Overlay, Path: "/var/lib/tapir/disks/cd/disk.img", Bus: "sata", CDROM: true, ReadOnly: true},
		{Name: "claim", Source: vm.HostDisk, Path: "/var/lib/tapir/volumes/claim/disk.img", Bus: "sata", ReadOnly: true},
		{Name: "data", Source: vm.HostDisk, Path: "/var/lib/tapir/volumes/data/disk.img", Bus: "sata"},
		{Name: "config", Source: vm.Files, Path: "/var/lib/tapir/config/config", Label: "cfg", Bus: "sata"},
		{Name: "keys", Source: vm.Files, Path: "/var/lib/tapir/config/keys", Bus: "sata"},
		{Name: "node", Source: vm.HostDisk, Path: "/var/lib/tapir/volumes/node/x.qcow2", Bus: "sata"},
		{Name: "seed", Source: vm.Seed, Bus: "sata"},
	}
	if diff := cmp.Diff(want, got.VM.Disks); diff != "" {
		t.Errorf("disks: -want +got:\n%s", diff)
	}
	if got.VM.Sockets != 3 || got.VM.MemoryBytes != 512<<20 || got.VM.CloudInit.UserData != "user" {
		t.Errorf("got %d sockets, %d bytes and user data %q", got.VM.Sockets, got.VM.MemoryBytes, got.VM.CloudInit.UserData)
	}

	// Admission has no Secrets.
	if _, err := Convert(NewMachine(nil, vmi), nil); err != nil {
		t.Error(err)
	}
	if _, err := Convert(NewMachine(nil, vmi), NewObjects()); err == nil {
		t.Error("a Secret that is missing isn't missed")
	}
}

// Each has one thing wrong with it that only a cluster's machine can have, and one line that says so.
func TestInvalidInCluster(t *testing.T) {
	const memory = "memory: {guest: 64Mi}, "
	for name, test := range map[string]struct{ domain, rest, want string }{
		"gpus":                     {memory + "devices: {gpus: [{name: a}]}", "", "domain.devices.gpus: not supported yet"},
		"dns":                      {memory + "devices: {}", "dnsPolicy: None", "dnsPolicy: not supported yet"},
		"request over limit":       {memory + "resources: {requests: {cpu: 2}, limits: {cpu: 1}}", "", "domain.resources.requests.cpu: Invalid"},
		"memory over limit":        {"resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}", "", "domain.resources.requests.memory: Invalid"},
		"guest over limit":         {memory + "resources: {limits: {memory: 32Mi}}", "", "domain.memory.guest: Invalid"},
		"negative request":         {memory + "resources: {requests: {memory: -1}}", "", "domain.resources.requests.memory: Invalid"},
		"negative memory limit":    {memory + "resources: {limits: {memory: -1}}", "", "domain.resources.limits.memory: Invalid"},
		"other resource":           {memory + "resources: {limits: {nvidia.example/gpu: 1}}", "", "domain.resources.limits.nvidia.example/gpu: not supported yet"},
		"eviction strategy":        {memory, "evictionStrategy: Never", "evictionStrategy: Unsupported value"},
		"probe of no kind":         {memory, "livenessProbe: {}", "livenessProbe: Invalid"},
		"probe of two kinds":       {memory, "livenessProbe: {guestAgentPing: {}, tcpSocket: {port: 1}}", "livenessProbe: Invalid"},
		"probe of no command":      {memory, "readinessProbe: {exec: {}}", "readinessProbe.exec.command: Required"},
		"probe's period":           {memory, "readinessProbe: {guestAgentPing: {}, periodSeconds: -1}", "readinessProbe.periodSeconds: Invalid"},
		"successes of liveness":    {memory, "livenessProbe: {guestAgentPing: {}, successThreshold: 2}", "livenessProbe.successThreshold: Invalid"},
		"liveness of a paused one": {memory, "startStrategy: Paused\n  livenessProbe: {guestAgentPing: {}}", "startStrategy: Invalid"},
		"HTTP without pod network": {memory + "devices: {autoattachPodInterface: false}", "readinessProbe: {httpGet: {port: 1}}", "readinessProbe.httpGet: Invalid"},
		"TCP without pod network":  {memory + "devices: {autoattachPodInterface: false}", "livenessProbe: {tcpSocket: {port: 1}}", "livenessProbe.tcpSocket: Invalid"},
		"image":                    {memory, "volumes: [{name: a, containerDisk: {image: ''}}]", "volumes[0].containerDisk.image: Invalid"},
		"pull policy":              {memory, "volumes: [{name: a, containerDisk: {image: a, imagePullPolicy: Often}}]", "volumes[0].containerDisk.imagePullPolicy: Unsupported value"},
		"pull secret":              {memory, "volumes: [{name: a, containerDisk: {image: a, imagePullSecret: A}}]", "volumes[0].containerDisk.imagePullSecret: Invalid"},
		"relative path":            {memory, "volumes: [{name: a, containerDisk: {image: a, path: disk.img}}]", "volumes[0].containerDisk.path: Invalid"},
		"path out of the image":    {memory, "volumes: [{name: a, containerDisk: {image: a, path: /disk/../etc/passwd}}]", "volumes[0].containerDisk.path: Invalid"},
		"claim without name":       {memory, "volumes: [{name: a, persistentVolumeClaim: {claimName: ''}}]", "volumes[0].persistentVolumeClaim.claimName: Required"},
		"hotplug":                  {memory, "volumes: [{name: a, persistentVolumeClaim: {claimName: a, hotpluggable: true}}]", "volumes[0].persistentVolumeClaim.hotpluggable: not supported yet"},
		"data volume without name": {memory, "volumes: [{name: a, dataVolume: {name: ''}}]", "volumes[0].dataVolume.name: Required"},
		"config map without name":  {memory, "volumes: [{name: a, configMap: {}}]", "volumes[0].configMap.name: Required"},
		"secret without name":      {memory, "volumes: [{name: a, secret: {}}]", "volumes[0].secret.secretName: Required"},
		"long label":               {memory, "volumes: [{name: a, secret: {secretName: a, volumeLabel: " + strings.Repeat("x", 33) + "}}]", "volumes[0].secret.volumeLabel: Invalid"},
		"cloud-init without name":  {memory, "volumes: [{name: a, cloudInitNoCloud: {secretRef: {}}}]", "volumes[0].cloudInitNoCloud.secretRef.name: Required"},
		"relative host disk":       {memory, "volumes: [{name: a, hostDisk: {path: a, type: Disk}}]", "volumes[0].hostDisk.path: Invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			domain := strings.TrimSuffix(test.domain, ", ")
			if !strings.Contains(domain, "devices:") {
				domain += ", devices: {}"
			}
			vmi := clusterVMI(t, "metadata: {name: a, namespace: test}\nspec:\n  domain: {"+domain+"}\n  "+test.rest)
			_, err := Convert(NewMachine(nil, vmi), nil)
			if want := "VirtualMachineInstance test/a: spec." + test.want; err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %s", err, want)
			}
		})
	}
}
