// SPDX-License-Identifier: Apache-2.0

package status

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
)

func TestSetPhase(t *testing.T) {
	vmi := new(kubevirt.VirtualMachineInstance)
	first, later := metav1.Unix(1, 0), metav1.Unix(2, 0)
	SetPhase(vmi, kubevirt.Pending, first)
	SetPhase(vmi, kubevirt.Pending, later)
	SetPhase(vmi, kubevirt.Running, later)
	want := []kubevirt.VirtualMachineInstancePhaseTransitionTimestamp{
		{Phase: kubevirt.Pending, PhaseTransitionTimestamp: first}, {Phase: kubevirt.Running, PhaseTransitionTimestamp: later},
	}
	got := vmi.Status.PhaseTransitionTimestamps
	if vmi.Status.Phase != kubevirt.Running || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got phase %s, times %v; want Running, %v", vmi.Status.Phase, got, want)
	}
	if !WasIn(vmi, kubevirt.Pending) || WasIn(vmi, kubevirt.Failed) {
		t.Error("was in Pending, never in Failed: WasIn says otherwise")
	}
}

func TestSetCondition(t *testing.T) {
	const ready = kubevirt.VirtualMachineInstanceReady
	vmi := new(kubevirt.VirtualMachineInstance)
	steps := []struct {
		status          corev1.ConditionStatus
		message         string
		changed         bool
		transitionAfter int // steps
	}{
		{corev1.ConditionFalse, "a", true, 0},
		{corev1.ConditionFalse, "a", false, 0},
		{corev1.ConditionFalse, "b", true, 0}, // another message is no transition
		{corev1.ConditionTrue, "b", true, 3},
	}
	for i, s := range steps {
		changed := SetCondition(vmi, ready, s.status, "Reason", s.message, metav1.Unix(int64(i), 0))
		c := Condition(vmi, ready)
		if changed != s.changed || c.Status != s.status || c.Message != s.message {
			t.Errorf("step %d: changed %t, %+v; want changed %t, %+v", i, changed, c, s.changed, s)
		}
		if want := time.Unix(int64(s.transitionAfter), 0); !c.LastTransitionTime.Time.Equal(want) {
			t.Errorf("step %d: transition at %s, want %s", i, c.LastTransitionTime, want)
		}
	}
	RemoveCondition(vmi, ready)
	if Condition(vmi, ready) != nil {
		t.Error("a condition that was removed is still there")
	}
}
