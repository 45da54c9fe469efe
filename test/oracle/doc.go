// SPDX-License-Identifier: Apache-2.0

// Package oracle holds the test that Tapir's masquerade behaves as KubeVirt's does.
//
// It has no code of its own, only a table of probes: what a client, the pod or the guest does, and what
// comes of it. Each probe runs in networks that differ in nothing but the datapath between the guest's tap
// and the pod's NIC: the Linux bridge and nftables rules that KubeVirt installs, or Tapir. Both run
// for IPv4 and IPv6, with no declared ports and with some, all offloads on.
//
// A row of the table says what KubeVirt's rules do, and the test first holds the real rules to it: so the
// table is a record of behaviour, not of opinion. Tapir must then do the same, but for the rows that
// say what it does instead, and why. A difference that no row announces fails the test, and so does an announced
// one that doesn't show.
//
// An outcome is a short sentence without anything that changes from run to run: addresses by their owners' names,
// ports as kept or changed.
package oracle
