// SPDX-License-Identifier: Apache-2.0

// Package standalone makes pod networks on one host without Kubernetes: what a container runtime and a
// CNI plugin do in a cluster, for `tapir run`.
//
// # Theory of operation
//
// A pod is a named network namespace (/run/netns/tapir-NAMESPACE.NAME) and a pair of veths into it:
//
//	pod namespace                    host
//	eth0 10.201.7.9/32  ---- veth ---- tp7c1e… 10.201.0.1/32 (the same on every pod's veth)
//	     fd54:…::709/128                       fd54:…::1/128
//	default via 10.201.0.1 onlink    10.201.7.9/32 dev tp7c1e…
//
// There is no bridge and no shared subnet: every pod is a route of its own, so pods can't spoof or overhear
// one another at layer 2. The gateway's addresses are on-link for every pod; a name server
// ([Pod.Listen]) listens there, on that veth only.
//
// A pod's addresses come from two pools, at one and the same index, which starts from a hash of the
// pod's name: a VM that comes back gets the addresses that it had, unless somebody took them meanwhile.
//
// # What is changed on the host
//
// Besides the veths and their routes: one nftables table (`inet tapir`) that translates what pods
// send to anything but pods, and IP forwarding. Both come with the first pod and go with the last. Settings
// are put back to what they were, unless a firewall chain for forwarded packets has appeared since: then
// somebody else relies on them. Nothing is changed in the pod but addresses, routes and IPv6
// autoconfiguration, which is switched off.
//
// # State
//
// /run/tapir/pods/ID.json is written before anything of a pod is made and removed after all of it is gone,
// so whatever a crash leaves is on record: [Sweep] and the next [New] or [Pod.Delete] of that name remove it.
// /run/tapir/host.json holds the settings to put back, written before they are changed. A lock on
// the directory serialises processes. The files vanish with the machine's namespaces at reboot.
//
// # Limits
//
// One host. Without IPv6 on the host, pods have none. Addresses on the outside are shared by all
// pods, so only the host (and who routes the pools to it) can open connections to a pod.
package standalone
