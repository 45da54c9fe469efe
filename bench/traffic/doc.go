// SPDX-License-Identifier: Apache-2.0

// Package traffic sends and counts small packets at the two ends of a pod at rates where endpoints of
// sockets would be what is measured.
//
//	guest side                                CNI side
//	[Writer]  writes to the tap   ----------> [Counter]    TC ingress of cni0
//	[Drain]   reads from the tap  <---------- [Generator]  an XDP program run with live frames
//
// Packets are written and read by io_uring, up to 64 with each system call. That is as near as one gets to vhost-net, which takes
// as many at a time and needs no system call: with one for each packet, it and not the datapath is what costs most
// on some machines.
//
// Both ends of a direction that take processor time are loops on a thread of their own; where one of them is in
// the kernel (generator, counter), it and the datapath share one processor, as they do on a node. The drain polls, so
// that no packet pays for waking it; it answers ARP as a guest does.
//
// A packet is 60 bytes, 64 on a wire: UDP over IPv4, of one of N flows in turn. Flows differ in the remote
// end: its port, and an address from 198.18.0.0/15 (RFC 2544).
//
// Linux 6.6 (TCX, IORING_SETUP_NO_SQARRAY), and io_uring allowed ([Lacks]).
package traffic
