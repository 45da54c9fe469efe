// SPDX-License-Identifier: Apache-2.0

// Package spec turns kubevirt.io/v1 manifests into the plain configurations of packages vm, datapath and dhcp.
//
// # Theory of operation
//
// It works in two steps, and each reports everything that it finds wrong, sorted, in one error.
//
// [Load] reads YAML documents and checks their structure against the types of kubevirt.io/api and of Kubernetes: a
// field that the type doesn't have, a key that is there twice, a value of the wrong kind are errors, with file and line.
// Decoding strictly is not enough for that, because some of KubeVirt's types decode themselves, leniently; strict.go
// compares the document with the type instead.
//
// [Convert] takes one machine and refuses what Tapir doesn't do. supported.go lists the fields that it does do; every
// other field that is set is an error with its path, so a field that KubeVirt adds is refused until someone has thought
// about it. What remains is validated as KubeVirt's webhooks do, defaulted as KubeVirt does (with one difference: an
// interface that names no binding gets masquerade), and converted. docs/fields.md is the list as a table.
//
// Both are pure: nothing is read but the given readers, nothing is looked up. Whether a disk's file exists is found out
// by whoever opens it. What isn't given and must not change from one start to the next (the firmware's UUID, a MAC
// address) is derived from the machine's name.
//
// # Limits
//
// A source holds at most 2 MiB, with YAML aliases written out; all sources together at most 256 documents.
// Objects of other kinds than VirtualMachine, VirtualMachineInstance, NetworkAttachmentDefinition, Secret and ConfigMap
// are refused. status, and metadata that a cluster fills in, are what a cluster has to say, not the user: they
// are checked like everything and then have no meaning here.
package spec
