// SPDX-License-Identifier: Apache-2.0

// Package metrics shows the NICs of this machine to Prometheus.
//
// # Theory of operation
//
// Nothing is counted here: whenever somebody scrapes, [Collector] reads the maps of every attached NIC, whichever
// process attached it. So counters go on where they were when Tapir's processes are replaced, and several
// endpoints on a machine show the same. Only what a process itself has seen, attach times and DHCP
// messages, is its own ([Registry]).
//
// # Names
//
// kubevirt_vmi_network_* are KubeVirt's eight counters with its labels, so that its dashboards go on working, and the pod's
// name beside them, by which they join those of containers; it is empty outside of clusters. They
// are what the tap counts, seen from the guest: receive is into it. A packet that the datapath drops
// counts as dropped as well. Everything else starts with tapir_. No label holds an address or a port.
//
// # Limits
//
// NICs that bear the same name would be the same series twice, which no scrape may hold: the first one counts.
package metrics
