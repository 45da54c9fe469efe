// SPDX-License-Identifier: Apache-2.0

// Package datapath moves the packets of a guest NIC between its tap and its pod's NIC with BPF programs.
//
// # Theory of operation
//
// Attach makes one NIC's datapath: the tap (when it is missing), the gateway's addresses on it, four programs with
// their maps, and the links that hang them on the tap, the pod NIC and the loopback device of the pod's network
// namespace. Everything is pinned: the datapath needs no process to keep running. What each program does stands
// in bpf/masquerade.bpf.c and in docs/datapath.md.
//
// What is fixed for a NIC (addresses, interface indexes) is constant data of its own copy of the programs; what may
// change while it runs (ports, the guest's MAC) is in its maps. Attaching again compares: changed ports are
// written into the maps, anything else replaces the programs, link by link, under traffic. Any mix of old and new
// programs is correct because all of them share the pinned maps.
//
// # What it owns
//
//	/sys/fs/bpf/tapir/COOKIE-TAP/   maps and links of one NIC; COOKIE is the namespace's SO_NETNS_COOKIE, which,
//	                                unlike its inode, is never used twice between boots
//	/run/tapir/nics/COOKIE-TAP.json its Config and what Detach has to restore
//
// and nothing else: it knows neither virtual machines nor Kubernetes.
//
// # Limits
//
// Linux 5.14 (SO_NETNS_COOKIE, for_each_map_elem). TCX links need 6.6; older kernels get clsact filters, which are
// replaced in place just so. One guest per pod NIC.
package datapath
