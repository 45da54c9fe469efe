// SPDX-License-Identifier: Apache-2.0

// Package vmi gives each VirtualMachineInstance its launcher pod, follows the pod until the agent takes over, and ends the machine
// when the pod does.
//
// # Theory of operation
//
// A reconciliation looks ([Reconciler.observe]), thinks ([decide]: a pure function) and acts, in this order:
//
//  1. the status is written, with the resource version that was looked at, so that a view that is out of date ends here;
//  2. the pod is made or deleted, its readiness gate is set, the finalizer is taken away;
//  3. events tell what has changed.
//
// Being interrupted anywhere is harmless: what wasn't done is still to be done when somebody looks again.
//
// # What is seen late
//
// Caches lag. That makes no second pod: a pod's name follows from the machine's UID, so the API server refuses one. Nor does it
// end a machine whose pod is merely not in the cache yet, for instance after another replica has taken the lead: before a pod is
// called gone, the API server itself is asked. A machine that has ended unseen, and its pod with it, may be given another pod by a
// controller that is far behind: no agent starts a guest in it, and it is deleted as soon as the end is seen.
//
// # Why a machine doesn't start
//
// While it is not a user's fault that can't be undone, a machine waits, and its condition says for what: PodScheduled (no node is good
// enough), Provisioning (a claim isn't bound or filled), Synchronized (all else: no such claim, image not pulled, Secret not
// mounted, pod refused). A missing Secret or ConfigMap is seen by the kubelet's own event, FailedMount: so the controller needs
// no right to read anyone's Secrets. A pod that ends before its guest ran fails the machine.
//
// # Lost nodes
//
// When a node is no longer heard of, its guests may well run on. So their machines only lose the condition Ready, and end
// when the pod is gone, which is what Kubernetes makes of a node that is deleted or declared out of service.
//
// # Eviction
//
// Until there is live migration, evictionStrategy LiveMigrate and External refuse evictions by a PodDisruptionBudget.
// LiveMigrateIfPossible means None while it isn't possible.
package vmi
