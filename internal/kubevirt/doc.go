// SPDX-License-Identifier: Apache-2.0

// Package kubevirt makes in a pod's network namespace what KubeVirt makes there for a guest: what Tapir's
// behaviour is tested against (test/oracle) and what its speed is measured against (bench).
//
// It follows pkg/network/setup/netpod of kubevirt/kubevirt, version 1.8 and later: [Masquerade] a bridge
// that is the guest's gateway, and nftables rules in the order in which KubeVirt adds them; [Bridge] a
// bridge with the pod's NIC and the guest's tap in it. Both make the tap, as tap0.
//
// Everything works on the calling thread's namespace and is gone with it: nothing is taken down.
package kubevirt
