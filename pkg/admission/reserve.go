// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// macLabel is on the Leases that reserve an address.
	macLabel  = "tapir-vm.io/mac"
	macPrefix = "mac-"
	// inFlight is how long an object may take from its admission until it can be read: webhooks of others run in between.
	inFlight = time.Minute
	// maxPicks is how often an address is picked before the range counts as full.
	maxPicks = 64
)

// reservations see to it that no two machines have the same address. There is a Lease for each address in Tapir's namespace,
// named by it, and the API server makes one of a name only: whichever replica of the webhook comes second finds it taken. A
// Lease's holder is the machine's namespace and name, which its VirtualMachine and its instance share.
type reservations struct {
	client    client.Client // not from a cache
	machines  client.Reader // from one, with macIndex
	namespace string
}

// takenError says whose an address is.
type takenError struct {
	mac    net.HardwareAddr
	holder string
}

func (e *takenError) Error() string {
	return fmt.Sprintf("%v is the address of machine %s: choose another, or leave it out to be given one", e.mac, e.holder)
}

func leaseName(mac net.HardwareAddr) string {
	return macPrefix + strings.ReplaceAll(mac.String(), ":", "-")
}

// take reserves an address for a machine that is about to be admitted. Its error is a *takenError when another has it. A dry
// run only looks.
func (r *reservations) take(ctx context.Context, mac net.HardwareAddr, machine types.NamespacedName, dryRun bool) error {
	lease := &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: leaseName(mac), Labels: map[string]string{macLabel: ""}},
		Spec:       coordination.LeaseSpec{HolderIdentity: new(machine.String()), AcquireTime: new(metav1.NowMicro())},
	}
	var options []client.CreateOption
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	err := r.client.Create(ctx, lease, options...)
	if !apierrors.IsAlreadyExists(err) {
		return wrap(err, mac)
	}

	known := &coordination.Lease{}
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(lease), known); err != nil {
		return wrap(err, mac) // NotFound too: it was given back this moment, and who asks again gets it
	}
	switch holds := holderOf(known) == machine.String(); {
	case holds && age(known) < inFlight:
		return nil
	case !holds:
		if used, err := r.inUse(ctx, known); err != nil {
			return err
		} else if used {
			return &takenError{mac, holderOf(known)}
		}
	}
	if dryRun {
		return nil
	}
	// The machine's own is taken anew, too: whoever has just found it unused, for the machine was deleted and is made again, must not
	// give it back.
	lease.ResourceVersion = known.ResourceVersion
	err = r.client.Update(ctx, lease)
	if apierrors.IsConflict(err) {
		return r.take(ctx, mac, machine, dryRun) // somebody was faster: the Lease is new now, or gone
	}
	return wrap(err, mac)
}

func wrap(err error, mac net.HardwareAddr) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reserve the address %v: %w", mac, err)
}

func holderOf(lease *coordination.Lease) string { return ptr.Deref(lease.Spec.HolderIdentity, "") }

// inUse tells whether a Lease's holder has the address, or may be about to.
func (r *reservations) inUse(ctx context.Context, lease *coordination.Lease) (bool, error) {
	if age(lease) < inFlight {
		return true, nil
	}
	namespace, name, _ := strings.Cut(holderOf(lease), "/")
	key := client.ObjectKey{Namespace: namespace, Name: name}
	vm := &kubevirt.VirtualMachine{}
	if err := r.client.Get(ctx, key, vm); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look whose the address of %s is: %w", lease.Name, err)
	}
	vmi := &kubevirt.VirtualMachineInstance{}
	if err := r.client.Get(ctx, key, vmi); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look whose the address of %s is: %w", lease.Name, err)
	}
	return slices.Contains(leasesOf(vm), lease.Name) || slices.Contains(leasesOf(vmi), lease.Name), nil
}

// age is how long ago an address was reserved.
func age(lease *coordination.Lease) time.Duration {
	if lease.Spec.AcquireTime == nil {
		return inFlight
	}
	return time.Since(lease.Spec.AcquireTime.Time)
}
