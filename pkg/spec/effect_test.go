// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// manifests that set all supported fields between them.
var everything = []string{`
metadata: {name: everything, namespace: test}
spec:
  architecture: amd64
  hostname: host
  subdomain: sub.domain
  startStrategy: Paused
  terminationGracePeriodSeconds: 7
  domain:
    cpu: {sockets: 2, cores: 3, threads: 2, model: EPYC}
    machine: {type: q35}
    memory: {guest: 64Mi}
    features: {acpi: {enabled: true}}
    firmware: {uuid: 5d307ca9-b3ef-428c-8861-06e72d69f223, serial: S0, bootloader: {bios: {}}}
    devices:
      autoattachGraphicsDevice: false
      autoattachMemBalloon: false
      autoattachSerialConsole: false
      networkInterfaceMultiqueue: true
      rng: {}
      disks:
      - {name: image, bootOrder: 1, cdrom: {bus: scsi, readonly: true, tray: closed}}
      - {name: made, serial: S1, disk: {bus: virtio, readonly: true}}
      interfaces:
      - name: default
        masquerade: {}
        model: virtio
        bootOrder: 2
        macAddress: de:ad:00:00:be:af
        state: down
        ports: [{name: http, port: 80, protocol: TCP}]
        dhcpOptions:
          bootFileName: boot
          tftpServerName: tftp
          ntpServers: [192.0.2.1]
          privateOptions: [{option: 240, value: v}]
  networks: [{name: default, pod: {vmNetworkCIDR: 10.1.0.0/24, vmIPv6NetworkCIDR: "fd00::/120"}}]
  volumes:
  - {name: image, hostDisk: {path: /image, type: Disk}}
  - {name: made, hostDisk: {path: /made, type: DiskOrCreate, capacity: 1Gi}}
  - {name: empty, emptyDisk: {capacity: 1Gi}}
  - {name: seed, cloudInitNoCloud: {userData: user, networkData: network}}
`, `
metadata: {name: requests, namespace: test}
spec:
  domain:
    resources: {requests: {cpu: 1500m, memory: 64Mi}}
    devices: {autoattachPodInterface: false}
  volumes: [{name: seed, cloudInitNoCloud: {userDataBase64: dXNlcg==, networkDataBase64: bmV0}}]
`, `
metadata: {name: secrets, namespace: test}
spec:
  domain: {memory: {guest: 64Mi}, devices: {}}
  volumes: [{name: seed, cloudInitNoCloud: {secretRef: {name: one}, networkDataSecretRef: {name: one}}}]
`}

// unchanged are supported fields whose only value is what happens without them.
var unchanged = map[string]bool{
	"domain.devices.interfaces[].masquerade": true,
	"domain.firmware.bootloader.bios":        true,
}

// A field that is on the list but has no effect would be ignored, which is what the list is there to prevent: with
// another value the outcome must be another, or an error.
func TestEveryListedFieldHasAnEffect(t *testing.T) {
	effective := map[string]bool{}
	for _, manifest := range everything {
		base, err := convertYAML(t, manifest)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range vmiFields {
			changed, ok := change(t, manifest, f.path)
			if !ok {
				continue
			}
			got, err := convertYAML(t, changed)
			if wrong := new(Error); err != nil && (!errors.As(err, &wrong) || wrong.Field == "") {
				t.Fatalf("%s: %v", f.path, err)
			}
			if err != nil || !cmp.Equal(base, got, cmpAddresses) {
				effective[f.path] = true
			}
		}
	}
	for _, f := range vmiFields {
		if effective[f.path] == unchanged[f.path] {
			t.Errorf("%s: has an effect: %t", f.path, effective[f.path])
		}
	}
}

var cmpAddresses = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// convertYAML converts a VirtualMachineInstance without apiVersion and kind, beside a Secret called one.
func convertYAML(t *testing.T, manifest string) (*VM, error) {
	t.Helper()
	const secret = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: one, namespace: test}\nstringData: {userdata: user, networkData: network}\n"
	objects, err := Load(Source{Name: "vm.yaml", Dir: "/dir", Reader: strings.NewReader(
		"apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\n" + strings.TrimPrefix(manifest, "\n") + secret)})
	if err != nil {
		return nil, err
	}
	return Convert(objects.Machines[0], objects)
}

// change returns the manifest with another value in the field, or without it where it has no value; false when it isn't set.
func change(t *testing.T, manifest, path string) (string, bool) {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &tree); err != nil {
		t.Fatal(err)
	}
	if !changeIn(tree["spec"], strings.Split(path, ".")) {
		return "", false
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), true
}

func changeIn(part any, names []string) bool {
	object, ok := part.(map[string]any)
	name, isList := strings.CutSuffix(names[0], "[]")
	if !ok || object[name] == nil {
		return false
	}
	if len(names) > 1 {
		if isList {
			return slices.ContainsFunc(object[name].([]any), func(e any) bool { return changeIn(e, names[1:]) })
		}
		return changeIn(object[name], names[1:])
	}
	switch value := object[name].(type) {
	case string:
		object[name] = "9" + value
	case float64:
		object[name] = value + 1
	case bool:
		object[name] = !value
	case []any:
		object[name] = append(value, "192.0.2.9")
	case map[string]any:
		delete(object, name)
	}
	return true
}
