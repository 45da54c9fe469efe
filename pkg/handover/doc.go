// SPDX-License-Identifier: Apache-2.0

// Package handover is the contract between the three processes that make a virtual machine of a pod: where
// in the launcher's pod things lie, and what agent and launcher say to each other.
//
// # Theory of operation
//
// The launcher has no privilege and no access to the Kubernetes API; the agent of its node has both. They meet at two
// sockets in a volume of the launcher's pod, which the launcher listens on and the agent finds through the
// kubelet's directory of that pod:
//
//	handover.sock  SOCK_SEQPACKET, for descriptors
//	api.sock       HTTP and JSON: [Status], and what exec probes need
//
// At handover.sock each connection is one dialogue:
//
//	launcher: hello, with its network namespace       always
//	agent:    plan, with taps and sockets             only to a launcher that waits for it
//	launcher: accepted, or why not
//
// A launcher takes one plan in its life. It goes on saying hello, so that an agent that was started again gets the
// namespace anew, sees that the launcher has its plan, and adopts what runs. An agent that is killed within a dialogue
// leaves a launcher that waits for the next one.
//
// The plan itself is JSON in a file in memory, the first of the descriptors: a VirtualMachineInstance may be larger than
// a datagram. Those that follow belong to the NICs, in the order that [NIC] says; as the kernel passes at most 253 with one message
// (SCM_MAX_FD), a plan may take several.
//
// # Trust
//
// The agent takes a launcher for hostile, for a guest may have broken out into it. It follows no link that the
// launcher has made ([Sockets]), waits for nothing without a deadline, takes one descriptor and no more than [maxMessage] bytes, and
// believes nothing about the namespace that it is given but what it has looked at itself. The launcher takes plans only from root,
// which in the pod's user namespace is who the node says it is, and bounds them all the same.
//
// # Versions
//
// [Version] is in every message. Agent and launcher are upgraded one after the other, so what a released version
// understood stays understood; a new field is ignored by who doesn't know it.
package handover
