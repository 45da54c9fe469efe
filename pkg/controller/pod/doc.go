// SPDX-License-Identifier: Apache-2.0

// Package pod renders the launcher pod of a VirtualMachineInstance.
//
// # Theory of operation
//
// [Render] is a pure function: the same machine, volumes and settings give the same pod. What others select the pod by (labels,
// annotations, container name and ports, readiness gate) is as KubeVirt has it, so that Services, NetworkPolicies, dashboards
// and `kubectl port-forward` written for KubeVirt find it. Everything that the launcher finds in the pod lies where package
// handover says.
//
// A pod's name is derived from the machine's UID. A second pod of the same machine is therefore refused by the API server itself,
// whatever a controller's caches say, and two controllers at once can't make two.
//
// # Privilege
//
// All containers run as user 107 with no capability, no new privileges, the runtime's seccomp profile, a read-only root file
// system and without a service account's token: the "restricted" Pod Security Standard, unless there is a hostDisk. Its devices are
// KVM's, from the device plugin, and those of claims that are block devices.
//
// # Containers
//
// "compute" is the launcher with its QEMU. Each containerDisk has an init container of the disk's image, which copies
// the disk into an emptyDir by a static helper that the first init container has put there; with
// [Settings].ImageVolumes the image is mounted instead, and nothing copied.
//
// # Resources
//
// Memory is what the guest is given, or the request for it where that is smaller, plus [Overhead]. A limit is the machine's limit plus
// the same. CPUs that are not requested are requested at a tenth, KubeVirt's default ratio. Init containers ask what
// the launcher does, devices aside: they are done before it starts, so they cost nothing, and don't change the
// pod's quality of service.
//
// # Limits
//
// amd64; what pkg/spec refuses is not looked at again.
package pod
