// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"slices"

	kubevirt "kubevirt.io/api/core/v1"
)

// finishRequests takes out the requests that are fulfilled. Only the first counts: those after it wait for their turn.
func finishRequests(s *kubevirt.VirtualMachineStatus, vmi *kubevirt.VirtualMachineInstance) {
	for len(s.StateChangeRequests) > 0 {
		done := true // an action that doesn't exist must not be in the way of others
		switch first := &s.StateChangeRequests[0]; first.Action {
		case kubevirt.StopRequest:
			done = !stopRequested(s, vmi) // is another's, which is gone, or nobody's
		case kubevirt.StartRequest:
			done = !gone(vmi) && !vmi.IsFinal()
		}
		if !done {
			return
		}
		s.StateChangeRequests = s.StateChangeRequests[1:]
	}
	s.StateChangeRequests = nil
}

// stopRequested says whether this very instance is to be stopped.
func stopRequested(s *kubevirt.VirtualMachineStatus, vmi *kubevirt.VirtualMachineInstance) bool {
	if len(s.StateChangeRequests) == 0 || vmi == nil {
		return false
	}
	first := &s.StateChangeRequests[0]
	return first.Action == kubevirt.StopRequest && first.UID != nil && *first.UID == vmi.UID
}

func startRequested(s *kubevirt.VirtualMachineStatus) bool {
	return len(s.StateChangeRequests) > 0 && s.StateChangeRequests[0].Action == kubevirt.StartRequest
}

// pauseRequested says whether the instance that is to be started shall not run yet.
func pauseRequested(s *kubevirt.VirtualMachineStatus) bool {
	return startRequested(s) && s.StateChangeRequests[0].Data[kubevirt.StartRequestDataPausedKey] == kubevirt.StartRequestDataPausedTrue
}

// requestStart has an instance started when there is none, unless somebody has requested that already.
func requestStart(s *kubevirt.VirtualMachineStatus) {
	start := func(r kubevirt.VirtualMachineStateChangeRequest) bool { return r.Action == kubevirt.StartRequest }
	if !slices.ContainsFunc(s.StateChangeRequests, start) {
		s.StateChangeRequests = append(s.StateChangeRequests, kubevirt.VirtualMachineStateChangeRequest{Action: kubevirt.StartRequest})
	}
}
