// SPDX-License-Identifier: Apache-2.0

// Package admission is what stands between a user's manifest and the cluster: webhooks that set defaults and say what is wrong.
//
// # Theory of operation
//
// [Setup] adds one server of webhooks to tapir-controller's manager. Every replica serves, whether it leads or not.
//
//	VirtualMachine           created, updated   defaults that last, MAC addresses; validated
//	VirtualMachineInstance   created            KubeVirt's defaults, MAC addresses, finalizer; validated
//	                         updated            an admission policy in the API server, no webhook: see below
//	VirtualMachineInstance-  created            refused
//	Migration
//
// What is valid is package spec's to say, the same code that the launcher runs; here it is told of objects of a cluster and
// looks up nothing. On top come the rules that take a cluster: labels that are Tapir's own, files of nodes where the
// installation allows them, and what the API server says of the launcher pod in a dry run (pod.go).
//
// An instance's spec never changes but for what the controller copies from its VirtualMachine (states of links), its status is
// written by controller and agents, and those write often, also while no controller runs. So updates of instances are judged by
// a ValidatingAdmissionPolicy, which the API server evaluates itself: a webhook that is away holds up new machines and changes of machines, never those that run.
//
// # MAC addresses
//
// An interface without an address is given a random one out of the installation's range, which stays in its
// VirtualMachine. reserve.go says why no two machines get the same, whichever replica they ask and whether or not they
// brought their own.
//
// # Certificates
//
// A Secret holds a certificate of 90 days, renewed with a third of its life left, and its authority (rotate.go). Each replica
// watches the Secret and the webhook configurations, and repairs either when it is missing, expired, damaged or changed; so an
// installation that was switched off for a year recovers when it starts. With [Options].CertDir something else takes care of it.
//
// # Limits
//
// Objects with generateName are refused: a reservation needs the name before the API server has made it up. Presets,
// instance types and preferences are not supported.
package admission
