// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// action is what is to be done after the status is written.
type action int

const (
	nothing    action = iota
	start             // make the instance
	stop              // delete the instance
	turnAlways        // change the strategy from Halted to Always
	release           // take the finalizer away
)

// decide changes vm into what its status should be, and says what to do then and how long to wait with it.
// vmi is its instance, nil when it has none. It is pure, but for changing vm, and for the random part of a back-off.
func decide(vm *kubevirt.VirtualMachine, vmi *kubevirt.VirtualMachineInstance, strategy kubevirt.VirtualMachineRunStrategy, now metav1.Time) (action, time.Duration) {
	s := &vm.Status
	finishRequests(s, vmi)
	countFailures(s, vmi, strategy, now)
	if strategy == kubevirt.RunStrategyRerunOnFailure && vm.DeletionTimestamp == nil {
		// The strategy is recorded with the request, so that neither can be without the other.
		changed := s.RunStrategy != strategy
		failed := !gone(vmi) && vmi.Status.Phase == kubevirt.Failed && !stopRequested(s, vmi)
		if changed && gone(vmi) || failed {
			requestStart(s)
		}
	}
	act := choose(vm, vmi, strategy)
	wait := time.Duration(0)
	if act == start {
		wait = backOff(s, now)
	}

	s.RunStrategy = strategy
	s.Created = vmi != nil
	s.DesiredGeneration = vm.Generation
	if vmi != nil {
		s.ObservedGeneration, _ = strconv.ParseInt(vmi.Annotations[kubevirt.VirtualMachineGenerationAnnotation], 10, 64)
	}
	syncConditions(vm, vmi, act, now)
	s.Ready = isTrue(vm, kubevirt.VirtualMachineReady)
	s.PrintableStatus = printable(vm, vmi, act)
	return act, wait
}

// choose is the table of the package's documentation.
func choose(vm *kubevirt.VirtualMachine, vmi *kubevirt.VirtualMachineInstance, strategy kubevirt.VirtualMachineRunStrategy) action {
	s := &vm.Status
	switch {
	case vm.DeletionTimestamp != nil:
		if vmi == nil || controllerutil.ContainsFinalizer(vm, metav1.FinalizerOrphanDependents) {
			return release
		}
		return stopUnless(vmi.DeletionTimestamp != nil)
	case vmi != nil && vmi.DeletionTimestamp != nil:
		return nothing
	case vmi != nil:
		switch strategy {
		case kubevirt.RunStrategyAlways, kubevirt.RunStrategyRerunOnFailure:
			return stopUnless(!vmi.IsFinal() && !stopRequested(s, vmi))
		case kubevirt.RunStrategyManual:
			return stopUnless(!stopRequested(s, vmi) && !(vmi.IsFinal() && startRequested(s)))
		case kubevirt.RunStrategyHalted:
			return stop
		}
		return nothing
	}
	switch {
	case strategy == kubevirt.RunStrategyAlways, strategy == kubevirt.RunStrategyOnce:
		return start
	case !startRequested(s):
		return nothing
	case strategy == kubevirt.RunStrategyHalted:
		return turnAlways
	}
	return start
}

func stopUnless(keep bool) action {
	if keep {
		return nothing
	}
	return stop
}

// gone says whether there is no instance, or soon will be none.
func gone(vmi *kubevirt.VirtualMachineInstance) bool {
	return vmi == nil || vmi.DeletionTimestamp != nil
}
