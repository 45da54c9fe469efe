// SPDX-License-Identifier: Apache-2.0

// Package leftovers finds what a test, or the code under test, has left on the host: devices, network
// namespaces, traffic control and XDP programs, pinned BPF objects, runtime files, nftables rules, settings
// for forwarding, and processes. [Check] at the start of a test fails it at its end when anything differs.
//
// It looks at the network namespace that it runs in and at all named ones, and at the processes of its mount namespace. Call
// it in a process that package sandbox has started: elsewhere, what other programs do on the host is taken for the test's.
package leftovers
