// SPDX-License-Identifier: Apache-2.0

// Package cli holds the verbs of the tapir command: flags, wiring and printing, a file for each verb.
//
// What a verb does is in the packages under pkg/: datapath for attach, detach, flows, drops and status
// of any tap, runner for run, stop, console and status of virtual machines. A verb parses its flags
// into their configurations, calls one function, and prints what comes back as a table or as JSON.
//
// Every error ends the command with exit code 1 and one line on standard error that says what was
// wrong and how to mend it; usage is printed only on request. Where several things are wrong, fields of a
// manifest or VMs that failed, each has a line. Nothing else goes to standard error, but the
// progress of attach, whose standard output is its result. Run and stop have no other result than progress.
package cli
