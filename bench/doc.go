// SPDX-License-Identifier: Apache-2.0

// Package bench measures datapaths side by side: those of today's projects and Tapir's, under the same
// loads on the same machine in the same run.
//
// # Theory of operation
//
// A [Datapath] joins a guest's tap to a pod's NIC, exactly as its project does. A [Load] is something to do to the
// two ends, and what to measure of it. For each load, [Run] gives every datapath a fresh network (package lab), and
// then measures round by round: A B C, A B C, … The first round only warms up. What else goes on in the
// machine thus hits all of them, and ratios within a round (package report) say more than the figures themselves.
//
// The two ends are threads on a processor each, where a load is about latencies or packet rates. Packet rates
// come from generators that are faster than any datapath, and from ends that feed and drain the tap in batches, as
// vhost-net does (package traffic); bulk data and requests from sockets, the guest's behind a shuttle that costs what
// virtio costs (package lab).
//
// # What it owns
//
// Unnamed namespaces and what is in them. All of it goes with a load, or with the process; what Tapir pins
// goes with its Detach, and if the process is killed, with the next sweep. Loads that want
// connection tracking to hold more than its limit raise the host's nf_conntrack_max meanwhile.
//
// # Limits
//
// IPv4. Two processors at least. Linux 6.6, with io_uring for packet rates.
package bench
