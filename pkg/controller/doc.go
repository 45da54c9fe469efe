// SPDX-License-Identifier: Apache-2.0

// Package controller is where Tapir meets Kubernetes: its packages are the reconcilers of tapir-controller and tapir-agent.
//
//	VirtualMachine ──vm──► VirtualMachineInstance ──vmi──► launcher pod (pod) ──node──► taps, datapath, handover
//
// The first two run in tapir-controller, of which one replica leads; node runs in tapir-agent, on each node.
//
// # Who writes what
//
// Each object's status has one owner at a time, and every write carries the resource version that it was worked out from,
// so one that comes late fails instead of undoing what another has found out:
//
//	VirtualMachine          controller
//	VirtualMachineInstance  controller until phase Scheduled; then the agent of its node; the controller again when the
//	                        pod has ended or is gone, and while its node is lost
//	launcher pod            kubelet; the condition of its readiness gate: controller
//
// # Phases of a VirtualMachineInstance
//
//	"" ► Pending ► Scheduling ► Scheduled ► Running ► Succeeded | Failed
//	      │          │            │            │
//	      no pod     pod          launcher     guest
//
// A machine has one pod in its life. Whatever ends that pod ends the machine; a VirtualMachine makes a new one of
// the same name when its run strategy says so.
package controller
