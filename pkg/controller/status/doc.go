// SPDX-License-Identifier: Apache-2.0

// Package status changes the status of a VirtualMachineInstance, for its two owners alike: the controller and the
// agent of its node (package controller says who writes when).
//
// The kind has no status subresource, as in KubeVirt, so metadata and status go in one request. [Patch] sends what has changed
// together with the resource version that it was worked out from: a writer that has seen less than the API server has gets a
// conflict, and looks again.
package status
