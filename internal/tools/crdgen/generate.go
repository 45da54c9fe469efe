// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/tools/go/packages"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	crdmarkers "sigs.k8s.io/controller-tools/pkg/crd/markers"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/controller-tools/pkg/markers"
)

const typesPackage = "kubevirt.io/api/core/v1"

// generate returns a definition for each of kinds.
func generate() ([]apiextensions.CustomResourceDefinition, error) {
	registry := &markers.Registry{}
	if err := crdmarkers.Register(registry); err != nil {
		return nil, fmt.Errorf("register markers: %w", err)
	}
	roots, err := loader.LoadRoots(typesPackage)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", typesPackage, err)
	}
	parser := &crd.Parser{
		Collector: &markers.Collector{Registry: registry},
		Checker:   &loader.TypeChecker{NodeFilters: []loader.NodeFilter{crd.Generator{}.CheckFilter()}},
		// A downward metric of KubeVirt's is a float.
		AllowDangerousTypes: true,
	}
	crd.AddKnownTypes(parser)
	for _, root := range roots {
		parser.NeedPackage(root)
	}

	var definitions []apiextensions.CustomResourceDefinition
	for i := range kinds {
		k := &kinds[i]
		id := schema.GroupKind{Group: kubevirt.GroupVersion.Group, Kind: k.name}
		parser.NeedCRDFor(id, nil)
		definition, ok := parser.CustomResourceDefinitions[id]
		if !ok || len(definition.Spec.Versions) != 1 {
			return nil, fmt.Errorf("%s has no type %s in one version", typesPackage, k.name)
		}
		crd.FixTopLevelMetadata(definition)
		k.finish(&definition)
		definitions = append(definitions, definition)
	}
	// Function bodies and what only they import are not loaded, which looks like errors in types.
	if loader.PrintErrors(roots, packages.TypeError) {
		return nil, fmt.Errorf("the types of %s are not understood", typesPackage)
	}
	return definitions, nil
}
