// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
)

// Indexes of the caches.
const (
	claimIndex = "spec.volumes.claimName" // machines by claim
	nodeIndex  = "status.nodeName"        // machines by node
	eventIndex = "involvedObject.uid"     // events by pod
)

// workers is how many machines are looked at at a time: they wait for the API server most of the time.
const workers = 16

// Setup adds the reconciler to a manager whose caches are those of package controller.
func Setup(ctx context.Context, mgr ctrl.Manager, settings pod.Settings) error {
	r := &Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder("tapir-controller"), Settings: settings}
	indexer := mgr.GetFieldIndexer()
	for _, index := range []struct {
		object  client.Object
		name    string
		extract client.IndexerFunc
	}{
		{&kubevirt.VirtualMachineInstance{}, claimIndex, func(o client.Object) []string { return claimNames(o.(*kubevirt.VirtualMachineInstance)) }},
		{&kubevirt.VirtualMachineInstance{}, nodeIndex, func(o client.Object) []string { return []string{o.(*kubevirt.VirtualMachineInstance).Status.NodeName} }},
		{&corev1.Event{}, eventIndex, func(o client.Object) []string { return []string{string(o.(*corev1.Event).InvolvedObject.UID)} }},
	} {
		if err := indexer.IndexField(ctx, index.object, index.name, index.extract); err != nil {
			return fmt.Errorf("index %T by %s: %w", index.object, index.name, err)
		}
	}
	err := ctrl.NewControllerManagedBy(mgr).
		For(&kubevirt.VirtualMachineInstance{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(ofPod)).
		Owns(&policyv1.PodDisruptionBudget{}, builder.WithPredicates(onDelete)).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.ofClaim)).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.ofNode), builder.WithPredicates(nodeLostOrBack)).
		Watches(&corev1.Event{}, handler.EnqueueRequestsFromMapFunc(r.ofEvent)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the controller of virtual machine instances: %w", err)
	}
	return nil
}

// ofPod is the machine of a launcher pod, by what it says: a pod whose owner was taken away still says so.
func ofPod(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetAnnotations()[kubevirt.DomainAnnotation]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}

// ofClaim are the machines that use a claim.
func (r *Reconciler) ofClaim(ctx context.Context, o client.Object) []reconcile.Request {
	return r.machines(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{claimIndex: o.GetName()})
}

// ofNode are the machines of a node.
func (r *Reconciler) ofNode(ctx context.Context, o client.Object) []reconcile.Request {
	return r.machines(ctx, client.MatchingFields{nodeIndex: o.GetName()})
}

func (r *Reconciler) machines(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var list kubevirt.VirtualMachineInstanceList
	if err := r.Client.List(ctx, &list, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list virtual machine instances")
		return nil
	}
	requests := make([]reconcile.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return requests
}

// ofEvent is the machine whose pod an event is about.
func (r *Reconciler) ofEvent(ctx context.Context, o client.Object) []reconcile.Request {
	launcher := new(corev1.Pod)
	about := o.(*corev1.Event).InvolvedObject
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: about.Namespace, Name: about.Name}, launcher); err != nil {
		return nil // the cache has launcher pods only
	}
	return ofPod(ctx, launcher)
}

var onDelete = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// nodeLostOrBack lets through what changes whether a node is heard of: heartbeats are many.
var nodeLostOrBack = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return unheard(e.Object.(*corev1.Node)) },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return unheard(e.ObjectOld.(*corev1.Node)) != unheard(e.ObjectNew.(*corev1.Node))
	},
}

// unheard says whether a node's kubelet has stopped reporting. The node controller finds that out.
func unheard(node *corev1.Node) bool {
	ready := nodeReady(node)
	return ready != nil && ready.Status == corev1.ConditionUnknown
}

func nodeReady(node *corev1.Node) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}
