// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"net"

	coordination "k8s.io/api/coordination/v1"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// release deletes the Lease of an address that nobody has any more: of machines that were deleted or got another one, and
// of those that were refused after the address had been reserved.
func (r *reservations) release(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	lease := &coordination.Lease{}
	if err := r.client.Get(ctx, request.NamespacedName, lease); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
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

// ofMachine are the requests for the addresses of an object as it is or was.
func (r *reservations) ofMachine(_ context.Context, object client.Object) []reconcile.Request {
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
	var requests []reconcile.Request
	for _, nic := range spec.Domain.Devices.Interfaces {
		if mac, err := net.ParseMAC(nic.MacAddress); err == nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: r.namespace, Name: leaseName(mac)}})
		}
	}
	return requests
}
