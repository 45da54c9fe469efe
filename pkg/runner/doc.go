// SPDX-License-Identifier: Apache-2.0

// Package runner runs virtual machines on one host: it puts together what the other packages make.
//
// # Theory of operation
//
// [Start] makes, in this order: the VM's directory, its pod namespace (package standalone), the datapath of
// each NIC (package datapath), the name server and the DHCP servers (packages standalone and dhcp), and QEMU
// with the NICs' taps as open files (package vm). Each step leaves word of how to undo it; an error undoes
// what was made, last first. [Machine.Wait] waits for the guest's end, or brings it about, and undoes it all.
//
// # Who owns a machine
//
// /run/tapir/vms/NAME is the machine's directory, and a lock on it (flock) is the ownership of all that the
// machine consists of. The process of `tapir run` holds it. When that process dies, however it dies, the
// kernel lets go of the lock; QEMU and the datapath go on without it, only the DHCP and name servers are
// gone. Another process then takes the lock, and with it the duty to clean up: [Stop] does so, and [Start]
// of the same name when QEMU is dead too. vm.json in the directory is written before anything is made, and
// says all that cleaning up needs.
//
// [Stop] of a machine that is owned only brings about the guest's end, by the control socket of QEMU. Its owner
// sees that, as any other end, and removes what it has made; Stop waits for it.
//
// # Accidents
//
// When QEMU fails or is killed, or the guest's kernel panics, everything is removed at once but the directory,
// with vm.json, which holds the reason then, and the logs of Tapir, QEMU and console. It has no owner any more:
// Stop removes it, and Start of the same name.
//
// # Limits
//
// A name is used once on a host, whatever its namespace. Each machine's QEMU runs as a user of its own, so
// that guests that break out of QEMU don't reach one another.
package runner
