// SPDX-License-Identifier: Apache-2.0

// Package kubetest runs a real Kubernetes API server, with etcd, for tests.
//
// The binaries are those of the end-to-end lab (`make lab-binaries` puts them into build/lab/bin), or where
// KUBEBUILDER_ASSETS says. There are no nodes, no scheduler and no built-in controllers: a test plays their parts.
package kubetest
