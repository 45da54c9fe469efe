// SPDX-License-Identifier: Apache-2.0

// Package shuttle joins two taps as a virtual machine would: what the kernel sends into one tap is
// written into the other, frame by frame, with the virtio_net_hdr that the kernel put before it.
//
//	namespace A                                    namespace B
//	   stack -- tap ====== read() ---> write() ====== tap -- stack
//	                ====== write() <--- read() ======
//
// The header is copied, not interpreted, so a 64 KiB segmentation-offload frame and a frame whose
// checksum is still to be filled in cross as one write, the way QEMU hands them to a virtio guest.
// That makes namespace B a guest for the datapath's tests and measurements, at about the price of a
// virtio device in user space (one read and one write system call per frame) and without booting one.
//
// A shuttle owns nothing but the copying: the files are the caller's. It never blocks on a full tap,
// because a tap takes any frame and drops it itself, and it treats a tap that is down as an unplugged
// cable: frames are lost until it is up again.
//
// Limits: one queue a tap.
package shuttle
