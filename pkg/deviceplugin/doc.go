// SPDX-License-Identifier: Apache-2.0

// Package deviceplugin offers KVM to the pods of a node, as the resource devices.kubevirt.io/kvm.
//
// # Theory of operation
//
// A device plugin (https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/) is a gRPC server on a socket
// in the kubelet's directory, which tells the kubelet of itself by the kubelet's own socket there. A kubelet that starts empties that
// directory: the plugin sees its socket go, makes it again and registers again.
//
// /dev/kvm may be opened by any number of processes, so the node offers [count] of it. All are healthy, or none is.
//
// # Health
//
// That /dev/kvm opens says little: there are machines where KVM runs the first instructions of a guest and no kernel. So the devices are
// healthy only if a guest was booted, by the very QEMU that launchers have, as their user. The agent's image has no QEMU. An init
// container of the agent's pod with the launcher's image runs `tapir-launcher kvm`, which leaves its verdict in a file for the agent (package handover). A verdict
// is of one boot of the machine; what isn't there, or from an earlier boot, counts as bad.
//
// # Permissions
//
// A launcher is an ordinary user, and a container gets a device with the owner and mode that it has on the node, unless the container
// runtime is told otherwise (containerd: device_ownership_from_security_context). /dev/kvm is root's and a group's on many nodes. So
// `tapir-launcher kvm` makes another node of the same device, /run/tapir/kvm, which only the launchers' user may open, and containers get
// that one as their /dev/kvm. The node's own stays as it is. Runtimes only look at the path and make a node of the container's own, so it
// doesn't matter that /run is mostly mounted nodev.
package deviceplugin
