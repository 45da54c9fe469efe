// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/status"
)

const (
	firstDelay = 10 * time.Second
	maxDelay   = 5 * time.Minute
)

// countFailures notes an instance that has ended without having run, and forgets all such when one has run.
func countFailures(s *kubevirt.VirtualMachineStatus, vmi *kubevirt.VirtualMachineInstance, strategy kubevirt.VirtualMachineRunStrategy, now metav1.Time) {
	switch {
	case strategy == kubevirt.RunStrategyHalted || strategy == kubevirt.RunStrategyManual:
		s.StartFailure = nil // the next start is somebody's wish
	case vmi == nil:
	case status.WasIn(vmi, kubevirt.Running):
		s.StartFailure = nil
	case vmi.IsFinal() && vmi.DeletionTimestamp == nil: // else it was somebody's wish
		if s.StartFailure == nil {
			s.StartFailure = &kubevirt.VirtualMachineStartFailure{}
		}
		if f := s.StartFailure; f.LastFailedVMIUID != vmi.UID {
			f.LastFailedVMIUID = vmi.UID
			f.ConsecutiveFailCount++
			at := metav1.NewTime(now.Add(delay(f.ConsecutiveFailCount)))
			f.RetryAfterTimestamp = &at
		}
	}
}

// delay is how long to wait after the n-th failure.
func delay(n int) time.Duration {
	d := firstDelay * time.Duration(min(n, 100)*min(n, 100))
	return min(d+rand.N(d/2), maxDelay)
}

// backOff is how long a start still has to wait.
func backOff(s *kubevirt.VirtualMachineStatus, now metav1.Time) time.Duration {
	if s.StartFailure == nil || s.StartFailure.RetryAfterTimestamp == nil {
		return 0
	}
	return max(s.StartFailure.RetryAfterTimestamp.Sub(now.Time), 0)
}
