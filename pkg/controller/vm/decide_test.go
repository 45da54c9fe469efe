// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/controller/vmi"
)

var now = metav1.Unix(1_000_000, 0)

func machine() *kubevirt.VirtualMachine {
	vm := &kubevirt.VirtualMachine{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo"}}
	vm.Spec.Template = &kubevirt.VirtualMachineInstanceTemplateSpec{}
	return vm
}

// inPhase is an instance with UID "uid" that has gone through phases.
func inPhase(phases ...kubevirt.VirtualMachineInstancePhase) *kubevirt.VirtualMachineInstance {
	i := instance(machine())
	i.UID = "uid"
	for _, phase := range phases {
		status.SetPhase(i, phase, now)
	}
	return i
}

func deleting(i *kubevirt.VirtualMachineInstance) *kubevirt.VirtualMachineInstance {
	i.DeletionTimestamp = &now
	return i
}

var (
	startIt   = kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StartRequest}
	stopIt    = kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StopRequest, UID: ptr.To(types.UID("uid"))}
	stopOther = kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StopRequest, UID: ptr.To(types.UID("other"))}
	stopNone  = kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StopRequest}
	nonsense  = kubevirt.VirtualMachineStateChangeRequest{Action: "Dance"}
)

type requests = []kubevirt.VirtualMachineStateChangeRequest

// TestDecideAction is the table of the package's documentation, with what requests become of it.
func TestDecideAction(t *testing.T) {
	const (
		always, halted, manual = kubevirt.RunStrategyAlways, kubevirt.RunStrategyHalted, kubevirt.RunStrategyManual
		once, rerun            = kubevirt.RunStrategyOnce, kubevirt.RunStrategyRerunOnFailure
	)
	running := func() *kubevirt.VirtualMachineInstance { return inPhase(kubevirt.Running) }
	succeeded := func() *kubevirt.VirtualMachineInstance { return inPhase(kubevirt.Running, kubevirt.Succeeded) }
	failed := func() *kubevirt.VirtualMachineInstance { return inPhase(kubevirt.Running, kubevirt.Failed) }
	tests := map[string]struct {
		strategy, before kubevirt.VirtualMachineRunStrategy // before: as recorded; "" is the same
		instance         *kubevirt.VirtualMachineInstance
		requests         requests
		want             action
		left             int // requests
	}{
		"always, none":                        {strategy: always, want: start},
		"always, runs":                        {strategy: always, instance: running(), want: nothing},
		"always, runs, to stop":               {strategy: always, instance: running(), requests: requests{stopIt, startIt}, want: stop, left: 2},
		"always, runs, another to stop":       {strategy: always, instance: running(), requests: requests{stopOther}, want: nothing},
		"always, has ended":                   {strategy: always, instance: succeeded(), want: stop},
		"always, is going":                    {strategy: always, instance: deleting(failed()), want: nothing},
		"halted, none":                        {strategy: halted, want: nothing},
		"halted, none, to start":              {strategy: halted, requests: requests{startIt}, want: turnAlways, left: 1},
		"halted, runs":                        {strategy: halted, instance: running(), want: stop},
		"halted, has ended":                   {strategy: halted, instance: succeeded(), want: stop},
		"manual, none":                        {strategy: manual, want: nothing},
		"manual, none, to start":              {strategy: manual, requests: requests{startIt}, want: start, left: 1},
		"manual, none, to stop and start":     {strategy: manual, requests: requests{stopOther, startIt}, want: start, left: 1},
		"manual, none, nonsense, to start":    {strategy: manual, requests: requests{nonsense, startIt}, want: start, left: 1},
		"manual, runs":                        {strategy: manual, instance: running(), want: nothing},
		"manual, runs, to stop nobody knows":  {strategy: manual, instance: running(), requests: requests{stopNone}, want: nothing},
		"manual, runs, was to start":          {strategy: manual, instance: running(), requests: requests{startIt}, want: nothing},
		"manual, runs, to stop":               {strategy: manual, instance: running(), requests: requests{stopIt}, want: stop, left: 1},
		"manual, has ended":                   {strategy: manual, instance: failed(), want: nothing},
		"manual, has ended, to start":         {strategy: manual, instance: failed(), requests: requests{startIt}, want: stop, left: 1},
		"once, none":                          {strategy: once, want: start},
		"once, runs":                          {strategy: once, instance: running(), want: nothing},
		"once, has ended":                     {strategy: once, instance: failed(), want: nothing},
		"rerun, new":                          {strategy: rerun, before: "Halted", want: start, left: 1},
		"rerun, new, the last one is going":   {strategy: rerun, before: "Halted", instance: deleting(succeeded()), want: nothing, left: 1},
		"rerun, none":                         {strategy: rerun, want: nothing},
		"rerun, none, to start":               {strategy: rerun, requests: requests{startIt}, want: start, left: 1},
		"rerun, runs":                         {strategy: rerun, instance: running(), want: nothing},
		"rerun, failed":                       {strategy: rerun, instance: failed(), want: stop, left: 1},
		"rerun, failed, was to stop":          {strategy: rerun, instance: failed(), requests: requests{stopIt}, want: stop, left: 1},
		"rerun, failed by deletion":           {strategy: rerun, instance: deleting(failed()), want: nothing},
		"rerun, succeeded":                    {strategy: rerun, instance: succeeded(), want: stop},
		"rerun, runs, to stop and start anew": {strategy: rerun, instance: running(), requests: requests{stopIt, startIt}, want: stop, left: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			vm := machine()
			vm.Status.RunStrategy = test.strategy
			if test.before != "" {
				vm.Status.RunStrategy = test.before
			}
			vm.Status.StateChangeRequests = test.requests
			act, wait := decide(vm, test.instance, test.strategy, now)
			if act != test.want || wait != 0 || len(vm.Status.StateChangeRequests) != test.left {
				t.Errorf("got action %d after %s, requests %v; want %d at once, %d requests", act, wait, vm.Status.StateChangeRequests, test.want, test.left)
			}
			if vm.Status.RunStrategy != test.strategy {
				t.Errorf("recorded %s", vm.Status.RunStrategy)
			}
		})
	}
}

// TestDecideDeletion: the instance goes first, unless it is to be left behind.
func TestDecideDeletion(t *testing.T) {
	vm := machine()
	vm.DeletionTimestamp = &now
	for _, step := range []struct {
		instance *kubevirt.VirtualMachineInstance
		want     action
	}{{inPhase(kubevirt.Running), stop}, {deleting(inPhase(kubevirt.Running)), nothing}, {nil, release}} {
		if act, _ := decide(vm, step.instance, kubevirt.RunStrategyAlways, now); act != step.want {
			t.Errorf("got action %d, want %d", act, step.want)
		}
	}
	vm.Finalizers = []string{metav1.FinalizerOrphanDependents}
	if act, _ := decide(vm, inPhase(kubevirt.Running), kubevirt.RunStrategyAlways, now); act != release {
		t.Errorf("got action %d for a machine that leaves its instance behind, want release", act)
	}
}

// TestBackOff: each failure counts once, waits longer, and is forgotten when an instance has run or somebody takes over.
func TestBackOff(t *testing.T) {
	vm := machine()
	for n := 1; n <= 8; n++ {
		i := inPhase(kubevirt.Failed)
		i.UID = types.UID(rune('0' + n))
		for range 2 {
			decide(vm, i, kubevirt.RunStrategyAlways, now)
		}
		f := vm.Status.StartFailure
		if f == nil || f.ConsecutiveFailCount != n || f.LastFailedVMIUID != i.UID {
			t.Fatalf("after failure %d: %+v", n, f)
		}
		least := min(time.Duration(n*n)*10*time.Second, 5*time.Minute)
		act, wait := decide(vm, nil, kubevirt.RunStrategyAlways, now)
		if act != start || wait < least || wait > min(least*3/2, 5*time.Minute) {
			t.Errorf("after failure %d: action %d in %s, want start in %s to half as much again", n, act, wait, least)
		}
	}
	if _, wait := decide(vm.DeepCopy(), nil, kubevirt.RunStrategyAlways, metav1.NewTime(now.Add(time.Hour))); wait != 0 {
		t.Errorf("still waits %s an hour later", wait)
	}
	manual := vm.DeepCopy()
	decide(manual, nil, kubevirt.RunStrategyManual, now)
	decide(vm, inPhase(kubevirt.Running), kubevirt.RunStrategyAlways, now)
	if manual.Status.StartFailure != nil || vm.Status.StartFailure != nil {
		t.Error("failures are not forgotten")
	}
}

// TestFailure: that something couldn't be done is told as long as it is to be done.
func TestFailure(t *testing.T) {
	const always, halted = kubevirt.RunStrategyAlways, kubevirt.RunStrategyHalted
	tests := map[string]struct {
		reason   string
		strategy kubevirt.VirtualMachineRunStrategy
		instance *kubevirt.VirtualMachineInstance
		want     bool
	}{
		"not made, still to be":        {reason: reasonFailedCreate, strategy: always, want: true},
		"not made, is there now":       {reason: reasonFailedCreate, strategy: always, instance: inPhase(kubevirt.Pending)},
		"not made, needn't be":         {reason: reasonFailedCreate, strategy: halted},
		"not deleted, still to be":     {reason: reasonFailedDelete, strategy: halted, instance: inPhase(kubevirt.Running), want: true},
		"not deleted, is going now":    {reason: reasonFailedDelete, strategy: halted, instance: deleting(inPhase(kubevirt.Running))},
		"not deleted, needn't be":      {reason: reasonFailedDelete, strategy: always, instance: inPhase(kubevirt.Running)},
		"was another's, is no more":    {reason: reasonNotOwned, strategy: always},
		"was another's, and isn't now": {reason: reasonNotOwned, strategy: always, instance: inPhase(kubevirt.Running)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			vm := machine()
			setCondition(vm, kubevirt.VirtualMachineFailure, corev1.ConditionTrue, test.reason, "", now)
			decide(vm, test.instance, test.strategy, now)
			if got := isTrue(vm, kubevirt.VirtualMachineFailure); got != test.want {
				t.Errorf("told: %t, want %t", got, test.want)
			}
		})
	}
}

// TestPrintable has every value that there is a way to.
func TestPrintable(t *testing.T) {
	const always = kubevirt.RunStrategyAlways
	with := func(kind kubevirt.VirtualMachineInstanceConditionType, is corev1.ConditionStatus, reason string, phases ...kubevirt.VirtualMachineInstancePhase) *kubevirt.VirtualMachineInstance {
		i := inPhase(phases...)
		status.SetCondition(i, kind, is, reason, "", now)
		return i
	}
	const (
		synchronized = kubevirt.VirtualMachineInstanceSynchronized
		provisioning = kubevirt.VirtualMachineInstanceProvisioning
	)
	tests := []struct {
		want     kubevirt.VirtualMachinePrintableStatus
		strategy kubevirt.VirtualMachineRunStrategy
		instance *kubevirt.VirtualMachineInstance
	}{
		{"Stopped", kubevirt.RunStrategyHalted, nil},
		{"Stopped", kubevirt.RunStrategyManual, inPhase(kubevirt.Running, kubevirt.Succeeded)},
		{"Starting", always, nil},
		{"Starting", always, inPhase(kubevirt.Pending)},
		{"Starting", always, inPhase(kubevirt.Scheduled)},
		{"Running", always, inPhase(kubevirt.Running)},
		{"Paused", always, with(kubevirt.VirtualMachineInstancePaused, corev1.ConditionTrue, "PausedByUser", kubevirt.Running)},
		{"Stopping", always, deleting(inPhase(kubevirt.Running))},
		{"Stopping", kubevirt.RunStrategyHalted, inPhase(kubevirt.Running)},
		{"Stopping", always, inPhase(kubevirt.Running, kubevirt.Succeeded)},
		{"CrashLoopBackOff", always, inPhase(kubevirt.Failed)},
		{"Unknown", always, inPhase(kubevirt.Unknown)},
		{"ErrorPvcNotFound", always, with(synchronized, corev1.ConditionFalse, vmi.ReasonPVCNotFound, kubevirt.Pending)},
		{"ErrImagePull", always, with(synchronized, corev1.ConditionFalse, "ErrImagePull", kubevirt.Scheduling)},
		{"ImagePullBackOff", always, with(synchronized, corev1.ConditionFalse, "ImagePullBackOff", kubevirt.Scheduling)},
		{"ErrorUnschedulable", always, with(vmi.PodScheduled, corev1.ConditionFalse, "Unschedulable", kubevirt.Scheduling)},
		{"Provisioning", always, with(provisioning, corev1.ConditionTrue, vmi.ReasonProvisioning, kubevirt.Pending)},
		{"DataVolumeError", always, with(provisioning, corev1.ConditionTrue, vmi.ReasonDataVolumeError, kubevirt.Pending)},
		{"WaitingForVolumeBinding", always, with(provisioning, corev1.ConditionTrue, vmi.ReasonVolumeBinding, kubevirt.Scheduling)},
	}
	for _, test := range tests {
		vm := machine()
		decide(vm, test.instance, test.strategy, now)
		if got := vm.Status.PrintableStatus; got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
	vm := machine()
	vm.DeletionTimestamp = &now
	decide(vm, inPhase(kubevirt.Running), always, now)
	if got := vm.Status.PrintableStatus; got != kubevirt.VirtualMachineStatusTerminating {
		t.Errorf("got %s, want Terminating", got)
	}
}
