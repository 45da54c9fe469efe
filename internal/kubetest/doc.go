// SPDX-License-Identifier: Apache-2.0

// Package kubetest runs a real Kubernetes API server, with etcd, for tests.
//
// The binaries are those of the end-to-end lab (`hack/lab.sh` puts them into build/lab/bin), or where
// KUBEBUILDER_ASSETS says. There are no nodes, no scheduler and no built-in controllers: a test plays their parts.
//
// Install gives the API server what an installation of Tapir does, so that components run with their own rights and are called
// as webhooks; Audit and CheckRights see whether they have the rights that they use, and use those that they have.
package kubetest
