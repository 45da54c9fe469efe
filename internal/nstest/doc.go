// SPDX-License-Identifier: Apache-2.0

// Package nstest gives tests a real network: named network namespaces with links, addresses and routes
// between them, and clients and servers that run inside them.
//
// [NewTopology] makes the surroundings of one pod, as a CNI plugin leaves them, and of the guest in it:
//
//	guest            pod                node                client
//	eth0 == shuttle == tap0    eth0 ---- cni0    eth0 ---- eth0
//	                                             eth1 ---- eth0   far, over a wire with MTU 1400
//	                                                              and without any offload
//
// What lies between tap0 and eth0 in the pod is the business of the test. Guest and client have every
// offload, so that segmentation and checksum metadata cross the pod unfinished; the link to far has none,
// so that every packet on it carries its real checksums and far's kernel verifies them.
//
// Everything belongs to a test and goes with it: a namespace takes its links along, a socket or a
// process that a helper started is closed before its namespace. Namespaces are named nstest-PID-N-LABEL, so that
// `ip netns exec` and tcpdump can look into a test that hangs.
//
// The package needs root and fails the test without it: a skipped test proves nothing.
package nstest
