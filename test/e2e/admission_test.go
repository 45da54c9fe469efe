// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// invalid are manifests of each kind of wrong, and what a user is told, with the path. Packages spec and admission have tests of
// every field; here the API server asks the webhooks that are installed.
var invalid = []struct{ name, kind, spec, want string }{
	{"gpu", "VirtualMachineInstance", "{domain: {memory: {guest: 64Mi}, devices: {gpus: [{name: a, deviceName: b}]}}}",
		"spec.domain.devices.gpus: not supported yet"},
	{"no-memory", "VirtualMachineInstance", "{domain: {devices: {}}}", "spec.domain.memory.guest"},
	{"no-volume", "VirtualMachineInstance", "{domain: {memory: {guest: 64Mi}, devices: {disks: [{name: root, disk: {bus: virtio}}]}}}",
		"spec.domain.devices.disks[0].name"},
	{"bus", "VirtualMachineInstance", "{domain: {memory: {guest: 64Mi}, devices: {disks: [{name: root, disk: {bus: isa}}]}}, " +
		"volumes: [{name: root, containerDisk: {image: a}}]}", "spec.domain.devices.disks[0].disk.bus"},
	{"host-disk", "VirtualMachineInstance", "{domain: {memory: {guest: 64Mi}, devices: {}}, volumes: [{name: a, hostDisk: {path: /a, type: Disk}}]}",
		"spec.volumes[0].hostDisk: this installation"},
	{"affinity", "VirtualMachineInstance", "{domain: {memory: {guest: 64Mi}, devices: {}}, tolerations: [{key: a, operator: Maybe}]}",
		"spec.tolerations[0].operator"},
	{"type", "VirtualMachineInstance", "{domain: {memory: {guest: many}, devices: {}}}", "spec.domain.memory.guest"},
	{"unknown", "VirtualMachineInstance", "{domain: {memory: {guest: 64Mi}, devices: {}}, turbo: true}", "spec.turbo"},
	{"strategy", "VirtualMachine", "{template: {spec: {domain: {memory: {guest: 64Mi}, devices: {}}}}}", "spec.runStrategy"},
	{"two-strategies", "VirtualMachine", "{running: true, runStrategy: Always, template: {spec: {domain: {memory: {guest: 64Mi}, devices: {}}}}}",
		"excludes running"},
	{"template", "VirtualMachine", "{runStrategy: Always, template: {spec: {domain: {memory: {guest: 64Mi}, devices: {interfaces: [{name: a, sriov: {}}]}}, " +
		"networks: [{name: a, pod: {}}]}}}", "spec.template.spec.domain.devices.interfaces[0].sriov"},
	{"migration", "VirtualMachineInstanceMigration", "{vmiName: demo}", "live migration is not supported yet"},
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	for _, test := range invalid {
		manifest := fmt.Sprintf("{apiVersion: kubevirt.io/v1, kind: %s, metadata: {name: %s}, spec: %s}", test.kind, test.name, test.spec)
		if _, err := s.tryWith(manifest, "create", "--filename=-"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want %q, got: %v", test.name, test.want, err)
		}
	}
	if made := s.kubectl("get", "vm,vmi,pods", "--output=name"); made != "" {
		t.Errorf("made nevertheless: %s", made)
	}
}
