// SPDX-License-Identifier: Apache-2.0

// Package vm owns a QEMU process: how it is started, spoken to, watched and ended.
//
// # Theory of operation
//
// [Start] turns a [Config] into a running machine and returns a [VM]. QEMU is started with its processors stopped, is
// asked over QMP whether it is well, is told which links are down, and only then runs, unless Config.StartPaused.
//
//	created --Start--> paused --> running <--> paused --> ended (Exit)
//
// # What QEMU may do
//
// QEMU is what a guest attacks first, so it gets nothing that it could open by itself. It runs as Config.UID without
// capabilities, behind its own seccomp filter that forbids it new privileges and new processes and, where the caller may make one,
// in a network namespace of its own that is empty. Whatever it uses is opened by us and inherited: disks, taps, log and seed as
// descriptors, its sockets as listeners. So neither the caller's network namespace nor the permissions of directories on
// the way matter, and RunDir belongs to the caller alone: a QEMU that was taken over can't change what we know of it.
// Only a kernel and an initrd must be readable to Config.UID, for QEMU opens those anew.
//
// # Who owns what
//
// QEMU is in a session of its own and holds no pipe of ours: it survives its starter, kill -9 included. RunDir holds
// all that another process needs to take the machine over with [Open]:
//
//	vm.json       pid and start time (a pid that was given to another process is noticed), acceleration
//	monitor.sock  QMP of the process that started the VM
//	control.sock  QMP of any other: one at a time, the next waits
//	console.sock  the serial console: one at a time; [Console]
//	console.log   what the console printed last
//	agent.sock    the guest agent's port
//	qemu.log      what QEMU had to say
//	seed.iso      the NoCloud seed
//	disk-NAME.*   emptyDisks, overlays and disks of files, which end with the VM
//
// The logs are cut to nothing at 1 MiB by whoever has the VM open, and by nobody while none has. [Remove] deletes all of it
// once QEMU is gone.
//
// # Disks and their formats
//
// The format of a disk is never guessed by QEMU, and an image that refers to another file (qcow2 backing or data file)
// is refused. A hostDisk is raw, as in KubeVirt, whatever its guest has written to its first bytes, unless its owner has
// named it *.qcow2; the base of an overlay is only read, so its header is believed. Sharing is prevented by QEMU's own locks.
//
// # Acceleration
//
// That /dev/kvm opens and answers says little: there are machines where KVM runs the first instructions of a guest and no kernel.
// So Auto boots a payload (pkg/vm/probe) in the very QEMU, as the very user, with the very processor model, that does
// what a 64-bit kernel does first. What came out is kept in /run/tapir until QEMU or the host's kernel is another; a probe that didn't come to its end
// is made again with the next VM.
//
// # Limits
//
// x86-64 with SeaBIOS, QEMU 6.2 or later (7.2 is tested). A QMP message of more than 16 MiB ends the monitor. A reader that doesn't
// keep up with [VM.Events] loses the newest, never holds anything up.
package vm
