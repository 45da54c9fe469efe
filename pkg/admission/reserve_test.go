// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"errors"
	"sync"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/internal/kubetest"
)

var errTest = errors.New("not yet")

func withMAC(t *testing.T, name, mac string) *kubevirt.VirtualMachine {
	t.Helper()
	vm := machineFrom(t, `{spec: {runStrategy: Halted, template: {spec: {domain: {memory: {guest: 64Mi}, devices: {interfaces: [{name: a}]}}, networks: [{name: a, pod: {}}]}}}}`)
	vm.Namespace, vm.Name = "default", name
	vm.Spec.Template.Spec.Domain.Devices.Interfaces[0].MacAddress = mac
	return vm
}

func (c *testCluster) testAddresses(t *testing.T) {
	const address = "de:ad:00:00:be:af"
	first := withMAC(t, "first", address)
	if err := c.admin.Create(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	refused(t, c.admin.Create(t.Context(), withMAC(t, "second", "DE-AD-00-00-BE-AF")), "is the address of machine default/first")
	refused(t, c.admin.Create(t.Context(), withMAC(t, "second", address), client.DryRunAll), "is the address of machine default/first")
	if err := c.admin.Create(t.Context(), withMAC(t, "dry", "de:ad:00:00:be:b0"), client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: kubetest.Namespace, Name: "mac-de-ad-00-00-be-b0"}
	if err := c.admin.Get(t.Context(), key, &coordination.Lease{}); !apierrors.IsNotFound(err) {
		t.Errorf("a dry run has reserved an address: %v", err)
	}

	// Somebody cleans up.
	lease := &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: kubetest.Namespace, Name: "mac-de-ad-00-00-be-af"}}
	if err := c.admin.Delete(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the address to be the machine's again", func() error { return c.admin.Get(t.Context(), client.ObjectKeyFromObject(lease), lease) })
	if holder := holderOf(lease); holder != "default/first" {
		t.Errorf("it is %s's", holder)
	}

	// Its own instance has the machine's address, and another machine gets it when the first is gone.
	vmi := instanceFrom(t, "{metadata: {name: first, namespace: default}}")
	vmi.Spec = first.Spec.Template.Spec
	if err := c.admin.Create(t.Context(), vmi); err != nil {
		t.Errorf("the machine's instance: %v", err)
	}
	c.remove(t, vmi)
	c.age(t, "mac-de-ad-00-00-be-af")
	refused(t, c.admin.Create(t.Context(), withMAC(t, "second", address)), "is the address of machine default/first")
	if err := c.admin.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the address to be given back", func() error {
		err := c.admin.Get(t.Context(), client.ObjectKey{Namespace: kubetest.Namespace, Name: "mac-de-ad-00-00-be-af"}, &coordination.Lease{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errTest
	})
	second := withMAC(t, "second", address)
	if err := c.admin.Create(t.Context(), second); err != nil {
		t.Error(err)
	}
	if err := c.admin.Delete(t.Context(), second); err != nil {
		t.Error(err)
	}
}

// A machine that is made again while its address is given back keeps it.
func TestReserveAgain(t *testing.T) {
	config := kubetest.Start(t)
	c, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	r := &reservations{client: c, namespace: "default"}
	wanted := mac(t, "02:54:00:00:00:01")
	again := types.NamespacedName{Namespace: "default", Name: "again"}
	lease := &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: leaseName(wanted)}}
	lease.Spec = coordination.LeaseSpec{HolderIdentity: new(again.String()), AcquireTime: new(metav1.NewMicroTime(time.Now().Add(-2 * inFlight)))}
	if err := c.Create(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	// The one who gives it back has found it unused.
	if err := r.take(t.Context(), wanted, again, false); err != nil {
		t.Fatal(err)
	}
	err = c.Delete(t.Context(), lease, client.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion})
	if !apierrors.IsConflict(err) {
		t.Errorf("the address of a machine that is being made is given back: %v", err)
	}
	taken := (*takenError)(nil)
	if err := r.take(t.Context(), wanted, types.NamespacedName{Namespace: "default", Name: "other"}, false); !errors.As(err, &taken) {
		t.Errorf("another machine is given the address: %v", err)
	}
}

// age makes a Lease older than an admission takes.
func (c *testCluster) age(t *testing.T, name string) {
	t.Helper()
	lease := &coordination.Lease{}
	if err := c.admin.Get(t.Context(), client.ObjectKey{Namespace: kubetest.Namespace, Name: name}, lease); err != nil {
		t.Fatal(err)
	}
	lease.Spec.AcquireTime = new(metav1.NewMicroTime(time.Now().Add(-2 * inFlight)))
	if err := c.admin.Update(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
}

// Of many who ask for the same address at the same time, one gets it, also where a Lease is left over from a machine that is gone.
func TestReserveAtOnce(t *testing.T) {
	config := kubetest.Start(t)
	c, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	r := &reservations{client: c, namespace: "default"}
	wanted := mac(t, "02:54:00:00:00:01")
	for _, left := range []bool{false, true} {
		if left {
			lease := &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: leaseName(wanted)}}
			if err := c.Delete(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
			lease.Spec = coordination.LeaseSpec{HolderIdentity: new("default/gone"), AcquireTime: new(metav1.NewMicroTime(time.Now().Add(-2 * inFlight)))}
			if err := c.Create(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		}
		var group sync.WaitGroup
		got := make(chan error, 20)
		for i := range cap(got) {
			group.Go(func() {
				got <- r.take(t.Context(), wanted, types.NamespacedName{Namespace: "default", Name: string(rune('a' + i))}, false)
			})
		}
		group.Wait()
		close(got)
		winners := 0
		for err := range got {
			taken := (*takenError)(nil)
			switch {
			case err == nil:
				winners++
			case !errors.As(err, &taken):
				t.Errorf("left over %t: %v", left, err)
			}
		}
		if winners != 1 {
			t.Errorf("left over %t: %d machines have the address", left, winners)
		}
	}
}
