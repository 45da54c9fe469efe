// SPDX-License-Identifier: Apache-2.0

package main

import (
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// kind is what the Go types don't say about a kind.
type kind struct {
	name       string
	shortNames []string
	// status says that there is a subresource of this name. KubeVirt's VirtualMachineInstance has none: whoever
	// may update the object writes its status along with it, and clients rely on that.
	status  bool
	columns []apiextensions.CustomResourceColumnDefinition
}

// kinds are as KubeVirt's operator defines them (pkg/virt-operator/resource/generate/components/crds.go).
var kinds = []kind{
	{
		name:       "VirtualMachine",
		shortNames: []string{"vm", "vms"},
		status:     true,
		columns: []apiextensions.CustomResourceColumnDefinition{
			{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"},
			{Name: "Status", Type: "string", JSONPath: ".status.printableStatus", Description: "Human Readable Status"},
			{Name: "Ready", Type: "string", JSONPath: condition("Ready")},
		},
	},
	{
		name:       "VirtualMachineInstance",
		shortNames: []string{"vmi", "vmis"},
		columns: []apiextensions.CustomResourceColumnDefinition{
			{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"},
			{Name: "Phase", Type: "string", JSONPath: ".status.phase"},
			{Name: "IP", Type: "string", JSONPath: ".status.interfaces[0].ipAddress"},
			{Name: "NodeName", Type: "string", JSONPath: ".status.nodeName"},
			{Name: "Ready", Type: "string", JSONPath: condition("Ready")},
			{Name: "Live-Migratable", Type: "string", JSONPath: condition("LiveMigratable"), Priority: 1},
			{Name: "Paused", Type: "string", JSONPath: condition("Paused"), Priority: 1},
		},
	},
	{
		name:       "VirtualMachineInstanceMigration",
		shortNames: []string{"vmim", "vmims"},
		status:     true,
		columns: []apiextensions.CustomResourceColumnDefinition{
			{Name: "Phase", Type: "string", JSONPath: ".status.phase", Description: "Phase of the migration"},
			{Name: "VMI", Type: "string", JSONPath: ".spec.vmiName", Description: "Name of the VirtualMachineInstance that migrates"},
		},
	},
}

func condition(name string) string { return ".status.conditions[?(@.type=='" + name + "')].status" }

func (k *kind) subresources() *apiextensions.CustomResourceSubresources {
	if !k.status {
		return nil
	}
	return &apiextensions.CustomResourceSubresources{Status: &apiextensions.CustomResourceSubresourceStatus{}}
}
