// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
)

var now = metav1.Unix(1_000_000, 0)

// inPhase is a machine that has come into a phase now.
func inPhase(phase kubevirt.VirtualMachineInstancePhase) *kubevirt.VirtualMachineInstance {
	vmi := kubevirt.NewVMIReferenceFromName("demo")
	status.SetPhase(vmi, phase, now)
	return vmi
}

func podIn(phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{Status: corev1.PodStatus{Phase: phase}}
}

// TestDecideEnd: what is left of a machine is taken away in order, and a launcher that doesn't end is given time to.
func TestDecideEnd(t *testing.T) {
	tests := map[string]struct {
		phase    kubevirt.VirtualMachineInstancePhase
		deleting bool
		pod      *corev1.Pod
		after    time.Duration
		want     action
	}{
		"has ended, its pod hasn't":                  {phase: kubevirt.Succeeded, pod: podIn(corev1.PodRunning), want: lookAgain},
		"has ended, its pod still hasn't":            {phase: kubevirt.Succeeded, pod: podIn(corev1.PodRunning), after: endMargin, want: deletePod},
		"has ended, its pod too: there are its logs": {phase: kubevirt.Succeeded, pod: podIn(corev1.PodSucceeded), after: time.Hour, want: nothing},
		"is to go, its pod runs":                     {phase: kubevirt.Running, deleting: true, pod: podIn(corev1.PodRunning), want: deletePod},
		"is to go, its pod has ended":                {phase: kubevirt.Failed, deleting: true, pod: podIn(corev1.PodFailed), want: deletePod},
		"is to go, had no pod":                       {phase: kubevirt.Pending, deleting: true, want: release},
		"is to go, its pod is gone":                  {phase: kubevirt.Succeeded, deleting: true, want: release},
		"has ended, is never started again":          {phase: kubevirt.Failed, want: nothing},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			vmi := inPhase(test.phase)
			if test.deleting {
				vmi.DeletionTimestamp = &now
			}
			if got := decide(vmi, &observed{pod: test.pod}, metav1.NewTime(now.Add(test.after))); got != test.want {
				t.Errorf("got action %d, want %d", got, test.want)
			}
			if test.want == release && !vmi.IsFinal() {
				t.Errorf("goes in phase %s", vmi.Status.Phase)
			}
		})
	}
}

// TestHear: a lost node is told once; what an agent that is still there writes then stays.
func TestHear(t *testing.T) {
	vmi := inPhase(kubevirt.Running)
	vmi.Status.NodeName = "node-a"
	ready := func() corev1.ConditionStatus {
		return status.Condition(vmi, kubevirt.VirtualMachineInstanceReady).Status
	}
	look := func(lost string) { decide(vmi, &observed{pod: podIn(corev1.PodRunning), lost: lost}, now) }

	look("node node-a is gone")
	if ready() != corev1.ConditionFalse {
		t.Error("ready on a lost node")
	}
	status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionTrue, "", "", now)
	look("node node-a is gone")
	if ready() != corev1.ConditionTrue {
		t.Error("the agent is overruled")
	}
	look("")
	look("node node-a is gone")
	if ready() != corev1.ConditionFalse {
		t.Error("ready on a node that is lost again")
	}
}
