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
// programs is correct because all of them share the pinned maps. What others have taken away meanwhile comes back.
//
// Where Config asks for it, one more program hangs in the pod NIC's driver, by an XDP link, and takes a short cut with
// what the flow table knows (bpf/fastpath.bpf.c). Without it everything goes the same way, only longer: it is hung up
// last. So does another on the tap, for what the guest sends, if the pod NIC can take it and nothing on its egress would
// miss it; attaching again asks anew, and Status says what is in the way.
//
// An attach takes place in this order, under a lock that all processes share:
//
//	plan          look at pod NIC, tap and settings; change nothing
//	record        write down what will change, and how it was: an Attach that is killed can be undone or completed
//	load          make the maps; verify the programs, each in a goroutine, which takes the longest
//	set up        tap, its addresses, settings; hang idle programs meanwhile: each wait for all CPUs that a new link
//	              costs passes while the verifier works. Where programs hang already, this comes after load
//	update        the links, from idle or old programs to new ones; the ports and the guest's MAC, before the links where
//	              nothing reads them yet, else after them; the tap goes up
//	pin, record   maps; what is in force now
//
// # What it owns
//
//	/sys/fs/bpf/tapir/COOKIE-TAP/   maps and links of one NIC; COOKIE is the namespace's SO_NETNS_COOKIE, which,
//	                                unlike its inode, is never used twice between boots
//	/run/tapir/nics/COOKIE-TAP.json its Config, and what Detach has to restore
//	/run/tapir/nics/.lock           held by who attaches, detaches or sweeps
//
// and nothing else: it knows neither virtual machines nor Kubernetes.
//
// # Limits
//
// Linux 5.14 (SO_NETNS_COOKIE, for_each_map_elem). TCX links need 6.6; older kernels get clsact filters, which are
// replaced in place just so. The fast path needs native XDP in the driver, and Linux 5.18 (BPF_F_XDP_HAS_FRAGS). One
// masqueraded guest per pod.
package datapath
