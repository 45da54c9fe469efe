// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"context"
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
)

// protect makes the PodDisruptionBudget of a machine that must not be evicted. It goes with the machine, which owns it.
func (r *Reconciler) protect(ctx context.Context, vmi *kubevirt.VirtualMachineInstance) error {
	strategy := ptr.Deref(vmi.Spec.EvictionStrategy, kubevirt.EvictionStrategyNone)
	if vmi.IsFinal() || strategy != kubevirt.EvictionStrategyLiveMigrate && strategy != kubevirt.EvictionStrategyExternal {
		return nil
	}
	budget := budget(vmi)
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: budget.Namespace, Name: budget.Name}, new(policyv1.PodDisruptionBudget))
	if apierrors.IsNotFound(err) {
		err = r.Client.Create(ctx, budget)
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("protect virtual machine instance %s/%s from eviction: %w", vmi.Namespace, vmi.Name, err)
	}
	return nil
}

// budget allows no disruption of a machine's pod.
func budget(vmi *kubevirt.VirtualMachineInstance) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{
			Name:            "kubevirt-disruption-budget-" + string(vmi.UID),
			Namespace:       vmi.Namespace,
			Labels:          pod.Labels(vmi),
			OwnerReferences: []metav1.OwnerReference{pod.Owner(vmi)},
		},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr.To(intstr.FromInt32(1)),
			Selector:     &metav1.LabelSelector{MatchLabels: map[string]string{kubevirt.CreatedByLabel: string(vmi.UID)}},
		},
	}
}
