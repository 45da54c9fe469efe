// SPDX-License-Identifier: Apache-2.0

// Package launcher is the main process of a virtual machine's pod: it makes one machine of what the agent hands over.
//
// # Theory of operation
//
// [Run] listens, waits for the plan (package handover), turns the VirtualMachineInstance into configurations (package spec), starts
// QEMU with the taps that came with the plan (package vm), and serves addresses from the sockets that did (package dhcp).
//
//	waiting --plan--> starting --QEMU runs--> running <--> paused --end--> ended
//
// It ends when the guest does, or when its context does (SIGTERM from the kubelet): then it presses the guest's power button and
// cuts the power when the machine's grace period is over. What the end was like goes to /dev/termination-log as JSON
// ([handover.Exit]), from where the kubelet puts it into the pod's status, and to whoever watches the API.
//
// # What it may do
//
// Nothing. It is an ordinary user without capabilities, sees no BPF and no device but the pod's, and has no access to the Kubernetes API.
// It does not look at packets either: they go between tap and QEMU, without it. Its files are those of the pod's volumes;
// the root of its file system is read-only.
//
// # The guest's agent
//
// Whoever has opened the agent's port in the guest is asked about itself when it opens it, and every [guestInterval] from then on. Its
// answers are in the status, cut to bounds by package vm. Probes ([Ping], [Exec]) are other processes in the launcher's
// container, started by the kubelet; they reach the agent through the launcher, because QEMU serves one at a time.
//
// # Limits
//
// One machine in a launcher's life: another start of it is another pod. When the launcher is killed, the kernel ends QEMU with the
// pod's process namespace.
package launcher
