// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"k8s.io/apimachinery/pkg/types"
)

func load(manifests ...string) (*Objects, error) {
	var sources []Source
	for i, m := range manifests {
		sources = append(sources, Source{Name: fmt.Sprintf("%d.yaml", i), Reader: strings.NewReader(m)})
	}
	return Load(sources...)
}

const small = `apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata: {name: %s}
spec: {domain: {memory: {guest: 64Mi}, devices: {}}}
`

// manyFields are fields that no object has, a line each.
func manyFields(n int) string {
	var fields strings.Builder
	for i := range n {
		fmt.Fprintf(&fields, "x%04d: 1\n", i)
	}
	return fields.String()
}

func vmi(name string) string { return fmt.Sprintf(small, name) }

func TestLoad(t *testing.T) {
	others := `# a comment alone is no document
---
---
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: ns}
data: {userdata: aGk=}
--- # a comment after the marker
apiVersion: v1
kind: ConfigMap
metadata: {name: s, namespace: ns}
...
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: net, annotations: {a: &text b, c: *text}}
spec: {config: '{"cniVersion": "0.3.1"}'}
`
	vm := `---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: b
  namespace: ns
  creationTimestamp: "2024-01-01T00:00:00Z"
  labels: {of: vm}
spec:
  running: false
  template:
    metadata: {name: other, creationTimestamp: null, annotations: {a: b}}
    spec: {domain: {devices: {}}, hostname: null}
status: {created: true, ready: true, printableStatus: Running}
`
	objects, err := load(vmi("a"), others+vm)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects.Machines) != 2 {
		t.Fatalf("got %d machines, want 2", len(objects.Machines))
	}
	a, b := objects.Machines[0], objects.Machines[1]
	if a.VM != nil || a.VMI.Namespace != "default" || a.VMI.Name != "a" {
		t.Errorf("a: got %+v", a.VMI.ObjectMeta)
	}
	if b.VM == nil || b.VMI.Namespace != "ns" || b.VMI.Name != "b" || b.VMI.Annotations["a"] != "b" || b.VMI.Labels != nil {
		t.Errorf("b: got %+v", b.VMI.ObjectMeta)
	}
	if s := objects.secrets[types.NamespacedName{Namespace: "ns", Name: "s"}]; s == nil || string(s.Data["userdata"]) != "hi" {
		t.Errorf("got Secret %v", s)
	}
}

func TestLoadErrors(t *testing.T) {
	aliases := "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 1<<10) + "]\n"
	for name, test := range map[string]struct {
		manifest string
		want     []string // lines, by what they start with
	}{
		"nothing":              {"", []string{"found no VirtualMachine"}},
		"nothing to run":       {"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n", []string{"found no VirtualMachine"}},
		"null":                 {"null\n", []string{"found no VirtualMachine"}},
		"not UTF-8":            {"a: \xff\n", []string{"0.yaml:1: is not UTF-8"}},
		"syntax":               {"---\n---\na: b\n c: d\n", []string{"0.yaml:4: mapping values are not allowed"}},
		"control character":    {"a: \x01", []string{"0.yaml:1: "}},
		"more after the end":   {"a: b\n...\nc: d\n", []string{`0.yaml:1: has more after its end`}},
		"duplicate key":        {vmi("a") + "---\nkind: a\nkind: b\n", []string{`0.yaml:7: key "kind" already set in map`}},
		"duplicate keys":       {"a: b\nc: d\nc: e\na: f\n", []string{`0.yaml:3: key "c"`, `0.yaml:4: key "a"`}},
		"text":                 {"hello\n", []string{"0.yaml:1: must be an object"}},
		"alias of itself":      {"a: &a [*a]\n", []string{"0.yaml:1: alias stands for something that it is part of"}},
		"aliases of gigabytes": {aliases, []string{"0.yaml:2: with aliases written out"}},
		"too large":            {strings.Repeat("#", maxBytes+1), []string{"0.yaml: is larger than"}},
		"too many":             {strings.Repeat("---\n", 257), []string{"0.yaml:257: more than 256 documents"}},
		"no kind":              {"apiVersion: v1\n", []string{`0.yaml:1: kind: "" of "v1" is not supported`}},
		"kind of no text":      {"apiVersion: 1\nkind: [a]\n", []string{`0.yaml:2: kind: "" of "" is not supported`}},
		"other kind":           {"apiVersion: apps/v1\nkind: Deployment\n", []string{`0.yaml:2: kind: "Deployment" of "apps/v1" is not supported`}},
		"other version":        {strings.Replace(vmi("a"), "/v1", "/v2", 1), []string{`0.yaml:2: kind: "VirtualMachineInstance" of "kubevirt.io/v2" is not supported`}},
		"no name":              {strings.Replace(vmi("a"), "name: a", "generateName: a", 1), []string{"0.yaml:3: VirtualMachineInstance: metadata.name: Required"}},
		"name":                 {vmi("A"), []string{"0.yaml:3: VirtualMachineInstance: metadata.name: Invalid"}},
		"name of a path":       {vmi("a/../b"), []string{"0.yaml:3: VirtualMachineInstance: metadata.name: Invalid"}},
		"long name":            {vmi(strings.Repeat("a", 64)), []string{"0.yaml:3: VirtualMachineInstance default/aaaaaaaa"}},
		"namespace":            {vmi("a, namespace: a.b"), []string{"0.yaml:3: VirtualMachineInstance: metadata.namespace: Invalid"}},
		"no template": {"apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a}\nspec: {running: true}\n",
			[]string{"0.yaml:4: VirtualMachine default/a: spec.template: Required"}},
		"twice": {vmi("a") + "---\n" + vmi("a"), []string{"0.yaml:8: VirtualMachineInstance default/a: metadata.name: Invalid value: \"a\": 0.yaml:1 has it already"}},
		"as VM and as instance": {vmi("a") + "---\n{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: a}, spec: {template: {spec: {domain: {devices: {}}}}}}\n",
			[]string{"0.yaml:6: VirtualMachine default/a: metadata.name: Invalid value: \"a\": 0.yaml:1 has it already (VirtualMachineInstance default/a)"}},
		"Secret twice": {strings.Repeat("---\n{apiVersion: v1, kind: Secret, metadata: {name: a}}\n", 2),
			[]string{"0.yaml:4: Secret default/a: metadata.name: Invalid"}},
		"unknown fields": {"apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata:\n  name: a\n  colour: red\nspec:\n  template:\n    spec:\n      domain:\n        devices:\n          interfaces:\n          - name: a\n            ports:\n            - nr: 1\n      networks:\n      - name: a\n        pod:\n          cidr: 1\nstatus:\n  happy: true\n",
			[]string{
				"0.yaml:5: VirtualMachine: metadata.colour: Invalid value: there is no such field",
				"0.yaml:14: VirtualMachine: spec.template.spec.domain.devices.interfaces[0].ports[0].nr: Invalid value: there is no such field",
				"0.yaml:18: VirtualMachine: spec.template.spec.networks[0].pod.cidr: Invalid value: there is no such field",
				"0.yaml:20: VirtualMachine: status.happy: Invalid value: there is no such field",
			}},
		"Secret's data": {"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  userdata: hunter2!\n",
			[]string{"0.yaml:5: Secret: data[userdata]: Invalid value: must be base64"}},
		"too many errors": {vmi("a") + manyFields(1000), append(slices.Repeat([]string{"0.yaml:"}, maxErrors-1), "0.yaml:104: VirtualMachineInstance: x0099: Invalid value: there is no such field (and 900 more in this object)")},
		"errors of several documents": {"a: b\n---\na: b: c\n---\n" + vmi("A"),
			[]string{`0.yaml:1: kind: "" of ""`, "0.yaml:3: mapping values", "0.yaml:7: VirtualMachineInstance: metadata.name"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(test.manifest)
			if err == nil {
				t.Fatal("it is accepted")
			}
			got := strings.Split(err.Error(), "\n")
			for i := range max(len(got), len(test.want)) {
				if i >= len(got) || i >= len(test.want) || !strings.HasPrefix(got[i], test.want[i]) {
					t.Fatalf("got\n%s\nwant lines with\n%s", err, strings.Join(test.want, "\n"))
				}
			}
		})
	}
}

// A document at the end of a stream with 256 is not refused for the stream's final marker.
func TestLoadManyDocuments(t *testing.T) {
	var stream strings.Builder
	for i := range maxDocuments {
		if i > 0 {
			stream.WriteString("---\n")
		}
		stream.WriteString(vmi(fmt.Sprintf("a%d", i)))
	}
	objects, err := load(stream.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(objects.Machines) != maxDocuments {
		t.Errorf("got %d machines, want %d", len(objects.Machines), maxDocuments)
	}
}

func TestLoadReaderFails(t *testing.T) {
	_, err := Load(Source{Name: "pipe", Reader: iotest.ErrReader(io.ErrClosedPipe)})
	if !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("got %v", err)
	}
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "vm.yaml")
	if err := os.WriteFile(file, []byte(vmi("a")), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(here, file)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := LoadFiles(strings.NewReader(vmi("b")), relative, "-")
	if err != nil {
		t.Fatal(err)
	}
	if got := objects.Machines[0].Dir; got != dir {
		t.Errorf("file: got directory %s, want %s", got, dir)
	}
	if got := objects.Machines[1].Dir; got != here {
		t.Errorf("stdin: got directory %s, want %s", got, here)
	}
	if _, err := LoadFiles(nil, filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
	if _, err := LoadFiles(nil, dir); err == nil {
		t.Error("a directory is accepted")
	}
}
