// SPDX-License-Identifier: Apache-2.0

// Package lab runs a Kubernetes cluster of several nodes on one Linux machine, for the end-to-end tests and for whoever
// wants to see Tapir in a cluster: a real API server, scheduler and kubelets, with containerd. It needs root, the
// Debian packages of `hack/deps.sh lab` and the programs of `hack/lab.sh`; no registry, no Docker, no network.
//
// # Theory of operation
//
// The control plane runs in a network namespace of the lab's own, which is also the switch that the nodes hang on. A
// node is a process (files/node.sh) with network, mount, process and host name namespaces of its own, in which run
// containerd, kubelet and kube-proxy: what happens to it happens to all that is in it.
//
//	lab's network namespace                        node1
//	┌─────────────────────────────────────┐        ┌──────────────────────────────────┐
//	│ etcd, API server, controller        │  veth  │ eth0     containerd kubelet      │
//	│ manager, scheduler    br0 ── node1 ─┼────────┼ .11      kube-proxy              │
//	│         172.30.0.1, fd30::1    │    │        │          │ veth      │ veth      │
//	└────────────────────────────────┼────┘        │          pod         pod         │
//	                               node2 ...       │          10.244.1.0/24           │
//	                                               └──────────────────────────────────┘
//
// Nothing of it touches the machine's network: the only way in is a socket on the machine's loopback, whose connections
// the lab's process hands on to the API server. The kubeconfig in the lab's directory names it.
//
// # What is left behind
//
// No namespace has a name, and each process is killed by the kernel when the thread that started it ends. So a lab
// ends with its process, however that ends, and takes namespaces, links, mounts, rules and processes along. Its control groups
// and its files remain if it was killed; [Lab.Down] removes them, and so does the next [Up]. Logs are kept. Only Down puts back what
// kubelets do to the machine: settings (kernel.panic, vm.overcommit_memory), and loop devices on pods' block volumes.
//
// # Limits
//
// One lab at a time: an abstract socket is the lock. Pods get no DNS and reach nothing outside of the lab; images are loaded
// by [Lab.Load]. Pods hang on the node by a veth each (the CNI plugin ptp), so that packets between two pods of a node
// pass its rules for Services too, without br_netfilter. Webhooks are called at their pods' addresses, for no kube-proxy
// serves the API server.
package lab
