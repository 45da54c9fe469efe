// SPDX-License-Identifier: Apache-2.0

package main

import (
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
)

// manifest is a CustomResourceDefinition without what an API server writes.
type manifest struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        objectMeta                                 `json:"metadata"`
	Spec            apiextensions.CustomResourceDefinitionSpec `json:"spec"`
}

type objectMeta struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
}

// finish adds what the types don't say.
func (k *kind) finish(crd *apiextensions.CustomResourceDefinition) {
	crd.Labels = map[string]string{kubevirt.AppLabel: "", "app.kubernetes.io/part-of": "tapir"}
	crd.Spec.Names.ShortNames = k.shortNames
	crd.Spec.Names.Categories = []string{"all"}
	version := &crd.Spec.Versions[0]
	version.AdditionalPrinterColumns = k.columns
	version.Subresources = k.subresources()
	keepMetadata(version.Schema.OpenAPIV3Schema.Properties)
}

// keepMetadata lets the metadata of templates pass as they are: the generator makes them objects without properties, from
// which an API server would prune all labels and annotations. The object's own, which is not in properties, has a meaning
// of its own.
func keepMetadata(properties map[string]apiextensions.JSONSchemaProps) {
	for name, part := range properties {
		for inside, metadata := range part.Properties {
			if inside == "metadata" && metadata.Type == "object" && len(metadata.Properties) == 0 {
				metadata.Nullable = true
				metadata.XPreserveUnknownFields = new(true)
				part.Properties[inside] = metadata
			}
		}
		keepMetadata(part.Properties)
		if part.Items != nil && part.Items.Schema != nil {
			keepMetadata(part.Items.Schema.Properties)
		}
		properties[name] = part
	}
}
