// SPDX-License-Identifier: Apache-2.0

package controller

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
)

// Cache says what tapir-controller keeps of a cluster that is not all about machines: of pods only launchers, of events only
// that volumes couldn't be mounted, and of claims and nodes only what it looks at.
func Cache() cache.Options {
	launchers := labels.SelectorFromSet(labels.Set{kubevirt.AppLabel: pod.LauncherLabel})
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: launchers},
			&policyv1.PodDisruptionBudget{}: {Label: launchers, Transform: stripBudget},
			&corev1.Event{}:                 {Field: fields.SelectorFromSet(fields.Set{"reason": "FailedMount", "involvedObject.kind": "Pod"}), Transform: stripEvent},
			&corev1.PersistentVolumeClaim{}: {Transform: stripClaim},
			&corev1.Node{}:                  {Transform: stripNode},
		},
	}
}

func stripBudget(in any) (any, error) {
	if budget, ok := in.(*policyv1.PodDisruptionBudget); ok {
		budget.ManagedFields, budget.Spec, budget.Status = nil, policyv1.PodDisruptionBudgetSpec{}, policyv1.PodDisruptionBudgetStatus{}
	}
	return in, nil
}

func stripEvent(in any) (any, error) {
	if e, ok := in.(*corev1.Event); ok {
		return &corev1.Event{TypeMeta: e.TypeMeta, ObjectMeta: meta(e), InvolvedObject: e.InvolvedObject, Message: e.Message, LastTimestamp: e.LastTimestamp}, nil
	}
	return in, nil
}

func stripClaim(in any) (any, error) {
	if claim, ok := in.(*corev1.PersistentVolumeClaim); ok {
		stripped := &corev1.PersistentVolumeClaim{TypeMeta: claim.TypeMeta, ObjectMeta: meta(claim)}
		stripped.Annotations = claim.Annotations
		stripped.Spec = corev1.PersistentVolumeClaimSpec{AccessModes: claim.Spec.AccessModes, VolumeMode: claim.Spec.VolumeMode, Resources: claim.Spec.Resources}
		stripped.Status = corev1.PersistentVolumeClaimStatus{Phase: claim.Status.Phase, Capacity: claim.Status.Capacity}
		return stripped, nil
	}
	return in, nil
}

func stripNode(in any) (any, error) {
	if node, ok := in.(*corev1.Node); ok {
		stripped := &corev1.Node{TypeMeta: node.TypeMeta, ObjectMeta: meta(node)}
		stripped.Status.Conditions = node.Status.Conditions
		return stripped, nil
	}
	return in, nil
}

// meta is what caches need of an object's metadata.
func meta(o client.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(), ResourceVersion: o.GetResourceVersion()}
}
