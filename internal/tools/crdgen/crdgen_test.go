// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/tapir-vm/tapir/internal/kubetest"
)

func TestCommittedDefinitions(t *testing.T) {
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	dir := "../../../deploy/crds"
	committed, err := filepath.Glob(filepath.Join(dir, "virtualmachine*.yaml"))
	if err != nil || len(committed) != len(files) {
		t.Errorf("%s has %d files, want %d (%v)", dir, len(committed), len(files), err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: run go generate ./internal/tools/crdgen", name)
		}
		// Client-side kubectl apply keeps the object in an annotation.
		const annotations = 256 << 10 // TotalAnnotationSizeLimitB of apimachinery
		if text, err := yaml.YAMLToJSON(got); err != nil || len(text) >= annotations-1024 {
			t.Errorf("%s takes %d bytes (%v): kubectl apply can't keep them in an annotation", name, len(text), err)
		}
	}
}

// The API server's judgement of schemas, pruning and columns.
func TestServed(t *testing.T) {
	config := kubetest.Start(t)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	version := schema.GroupVersion{Group: "kubevirt.io", Version: "v1"}

	machine := object(t, `{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: a}, spec: {runStrategy: Always,
		template: {metadata: {labels: {app: a}, annotations: {b: c}}, spec: {domain: {resources: {requests: {memory: 1Gi}}, devices: {}}}}}}`)
	machines := client.Resource(version.WithResource("virtualmachines")).Namespace("default")
	got, err := machines.Create(t.Context(), machine, metav1.CreateOptions{FieldValidation: "Strict"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(machine.Object["spec"], got.Object["spec"]); diff != "" {
		t.Errorf("what the API server keeps of a VirtualMachine: -want +got:\n%s", diff)
	}
	misspelt := object(t, `{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: b}, spec: {runStrateggy: Always, template: {spec: {domain: {devices: {}}}}}}`)
	if _, err := machines.Create(t.Context(), misspelt, metav1.CreateOptions{FieldValidation: "Strict"}); err == nil {
		t.Error("a field that does not exist is accepted")
	}
	if err := unstructured.SetNestedField(got.Object, "Running", "status", "printableStatus"); err != nil {
		t.Fatal(err)
	}
	if _, err := machines.UpdateStatus(t.Context(), got, metav1.UpdateOptions{}); err != nil {
		t.Errorf("status of a VirtualMachine: %v", err)
	}

	instance := object(t, `{apiVersion: kubevirt.io/v1, kind: VirtualMachineInstance, metadata: {name: a}, spec: {domain: {devices: {}}},
		status: {phase: Running, nodeName: node-a, interfaces: [{ipAddress: 10.0.0.1}], conditions: [{type: Ready, status: "True"}, {type: LiveMigratable, status: "False"}]}}`)
	instances := client.Resource(version.WithResource("virtualmachineinstances")).Namespace("default")
	if _, err := instances.Create(t.Context(), instance, metav1.CreateOptions{FieldValidation: "Strict"}); err != nil {
		t.Fatal(err)
	}
	migration := object(t, `{apiVersion: kubevirt.io/v1, kind: VirtualMachineInstanceMigration, metadata: {name: a}, spec: {vmiName: a}}`)
	migrations := client.Resource(version.WithResource("virtualmachineinstancemigrations")).Namespace("default")
	if _, err := migrations.Create(t.Context(), migration, metav1.CreateOptions{FieldValidation: "Strict"}); err != nil {
		t.Fatal(err)
	}

	for resource, want := range map[string]map[string]any{
		"virtualmachines":                  {"Name": "a", "Status": "Running", "Ready": nil},
		"virtualmachineinstances":          {"Name": "a", "Phase": "Running", "IP": "10.0.0.1", "NodeName": "node-a", "Ready": "True", "Live-Migratable": "False", "Paused": nil},
		"virtualmachineinstancemigrations": {"Name": "a", "Phase": nil, "VMI": "a"},
	} {
		got := columns(t, config, resource)
		delete(got, "Age")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("columns of %s: -want +got:\n%s", resource, diff)
		}
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

// columns are what kubectl get shows of the first object, by their headings.
func columns(t *testing.T, config *rest.Config, resource string) map[string]any {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	text, err := client.RESTClient().Get().AbsPath("/apis/kubevirt.io/v1/namespaces/default", resource).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(text, &table); err != nil || len(table.Rows) != 1 {
		t.Fatalf("%s: %d rows (%v)", resource, len(table.Rows), err)
	}
	row := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		row[column.Name] = table.Rows[0].Cells[i]
	}
	return row
}
