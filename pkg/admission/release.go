// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"net"
	"strings"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// macIndex finds machines by the names of their addresses' Leases.
const macIndex = "leases"

// release deletes the Lease of an address that nobody has any more: of machines that were deleted or got another one, and
// of those that were refused after the address had been reserved. One that is missing is made again.
func (r *reservations) release(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	lease := &coordination.Lease{}
	if err := r.client.Get(ctx, request.NamespacedName, lease); apierrors.IsNotFound(err) {
		return reconcile.Result{}, r.restore(ctx, request.Name)
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("look whose the address of %s is: %w", request.Name, err)
	}
	if left := inFlight - age(lease); left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	used, err := r.inUse(ctx, lease)
	if used || err != nil {
		return reconcile.Result{}, err
	}
	// Taking it over in this moment makes it another version, which stays.
	err = r.client.Delete(ctx, lease, client.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("give back the address of %s: %w", lease.Name, err)
	}
	return reconcile.Result{}, nil
}

// restore reserves an address that a machine has, and whose Lease somebody has deleted, as with Tapir's whole namespace.
func (r *reservations) restore(ctx context.Context, name string) error {
	mac, err := net.ParseMAC(strings.TrimPrefix(name, macPrefix))
	if err != nil {
		return nil // nobody's
	}
	var holders []client.ObjectKey
	for _, list := range []client.ObjectList{&kubevirt.VirtualMachineList{}, &kubevirt.VirtualMachineInstanceList{}} {
		if err := r.machines.List(ctx, list, client.MatchingFields{macIndex: name}); err != nil {
			return fmt.Errorf("look who has the address %v: %w", mac, err)
		}
		err := meta.EachListItem(list, func(object runtime.Object) error {
			holders = append(holders, client.ObjectKeyFromObject(object.(client.Object)))
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(holders) == 0 {
		return nil
	}
	// The cache may still have a machine that is gone, and for which the Lease was given back.
	used, err := r.inUse(ctx, &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: coordination.LeaseSpec{HolderIdentity: new(holders[0].String())},
	})
	if !used || err != nil {
		return err
	}
	return r.take(ctx, mac, holders[0], false)
}

// ofMachine are the requests for the addresses of an object as it is or was.
func (r *reservations) ofMachine(_ context.Context, object client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range leasesOf(object) {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: r.namespace, Name: name}})
	}
	return requests
}

// leasesOf are the names of those of a machine's addresses.
func leasesOf(object client.Object) []string {
	var spec *kubevirt.VirtualMachineInstanceSpec
	switch object := object.(type) {
	case *kubevirt.VirtualMachine:
		if object.Spec.Template == nil {
			return nil
		}
		spec = &object.Spec.Template.Spec
	case *kubevirt.VirtualMachineInstance:
		spec = &object.Spec
	}
	var names []string
	for _, nic := range spec.Domain.Devices.Interfaces {
		if mac, err := net.ParseMAC(nic.MacAddress); err == nil {
			names = append(names, leaseName(mac))
		}
	}
	return names
}
