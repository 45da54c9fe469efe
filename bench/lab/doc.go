// SPDX-License-Identifier: Apache-2.0

// Package lab lays out the network that a datapath is measured in:
//
//	guest            pod              peer
//	eth0 == shuttle == tap0    eth0 ---- cni0     10.244.1.1, the CNI side
//
// What joins tap0 and eth0 in the pod is the datapath's business. The guest is a namespace behind a second
// tap (package shuttle), with every offload that a virtio guest has: it costs what virtio costs, and nothing
// of what an emulated processor would.
//
// The namespaces have no names: file descriptors of this process hold them, so they vanish with it, however
// it ends. Only what a datapath keeps outside of them (pins) needs [Network.Close].
//
// IPv4 only: the datapaths run the same code for both families.
package lab
