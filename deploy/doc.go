// SPDX-License-Identifier: Apache-2.0

// Package deploy holds what installs Tapir in a cluster, and nothing but tests of it:
//
//	crds            definitions of kubevirt.io/v1, written by internal/tools/crdgen
//	charts/tapir    the Helm chart
//	kustomize       the chart's output with its defaults, for kubectl apply -k
package deploy
