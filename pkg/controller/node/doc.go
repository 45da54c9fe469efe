// SPDX-License-Identifier: Apache-2.0

// Package node is what tapir-agent does for the VirtualMachineInstances of its node: it joins each to the network of its pod, hands it
// to its launcher, and reports how it is.
//
// # Theory of operation
//
// A machine is the agent's from phase Scheduled on, when its pod's launcher runs. A reconciliation of one goes like this:
//
//	connect   find the launcher's sockets in the kubelet's directory, hear its hello, check the network namespace that it gives
//	attach    bring tap and datapath of each NIC into line with the machine's spec: make them, or find them in place
//	hand over the plan, with taps and DHCP sockets, if the launcher still waits for it
//	watch     the launcher's status, which causes another reconciliation at each change
//	links     have the launcher plug and unplug cables, where the spec has changed
//	report    write the machine's status from that of launcher and pod
//
// When the guest has ended the final phase is written, and then the datapath is detached. The connection is all that the agent
// remembers; everything else is found in the API, in the pins and in the launcher. So an agent that was killed, wherever it
// was, does the same things again when it comes back: attaching twice changes nothing, and a launcher that has its plan
// says so. Guests don't notice: their packets go through programs that need no process.
//
// # The network namespace
//
// The launcher sends its own, by descriptor: there is no path to it and no need for the host's processes. A launcher that is no longer
// itself could send another's, so the namespace must have the pod's addresses, as the API server knows them, on the pod's NIC. The
// descriptor stays open as long as the machine is the agent's, and /proc/PID/fd is the path that the datapath knows the
// namespace by. After a restart of the agent that path is stale until the machine is connected again.
//
// # What is left behind
//
// A pod that went while the agent was away took its taps with its namespace. Pins and records are swept when the agent starts,
// every minute, and at each attach. At the same time, each minute, what somebody has taken from a datapath is brought back, and
// the XDP way out follows what the node's end of the veth takes (datapath.Repair).
//
// # The API server away
//
// Nothing is undone that isn't written down first: a machine whose end can't be reported stays attached until it is. What fails is tried
// again at intervals that stay below [maxRetry].
//
// # Memory
//
// An agent is on every node. Most of what it has had in use when it has attached its machines it never needs again, so each minute
// it gives that back to the kernel. BenchmarkIdle tells what is left.
//
// # Limits
//
// Nothing is polled but the minute's sweep. A launcher that runs and doesn't listen yet is tried again at short intervals.
package node
