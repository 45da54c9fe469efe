// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/json"
	"strings"

	kubevirt "kubevirt.io/api/core/v1"
)

// Paths of the HTTP API. A path's version changes when what it answers is no longer understood by an older agent.
const (
	StatusPath = "/v1/status"     // GET: a Status
	EventsPath = "/v1/events"     // GET: a Status now, and at each change, a line of JSON each
	LinksPath  = "/v1/links"      // PUT: a Links; 204 when QEMU has done it
	PingPath   = "/v1/guest/ping" // POST: 204 when the guest's agent answers
	ExecPath   = "/v1/guest/exec" // POST: an Exec; answers an ExecResult
)

// State is that of a launcher's machine.
type State string

// A machine goes through these in this order; Running and Paused take turns.
const (
	Waiting  State = "waiting"  // for a plan
	Starting State = "starting" // QEMU, on what the plan says
	Running  State = "running"
	Paused   State = "paused"
	Ended    State = "ended" // Exit says why; the launcher ends too
)

// Status is what a launcher says about its machine.
type Status struct {
	State        State    `json:"state"`
	Acceleration string   `json:"acceleration,omitempty"` // kvm or tcg, once it runs
	IOError      bool     `json:"ioError,omitempty"`      // it is paused because a disk couldn't be written
	Down         []string `json:"down,omitempty"`         // interfaces whose link is down, in the machine's order
	Guest        *Guest   `json:"guest,omitempty"`        // nil while no guest agent is connected
	Exit         *Exit    `json:"exit,omitempty"`
}

// Links are the states of the links of all of a machine's interfaces: those that are not down are up.
type Links struct {
	Down []string `json:"down"`
}

// Guest is what the guest's agent has told.
type Guest struct {
	Hostname   string                                     `json:"hostname,omitempty"`
	OS         kubevirt.VirtualMachineInstanceGuestOSInfo `json:"os"`
	Interfaces []GuestInterface                           `json:"interfaces,omitempty"`
}

// GuestInterface is a network interface as the guest sees it.
type GuestInterface struct {
	Name string   `json:"name"`
	MAC  string   `json:"mac,omitempty"`
	IPs  []string `json:"ips,omitempty"`
}

// Exit is the end of a machine. As JSON it is the launcher's termination message too.
type Exit struct {
	Failed  bool   `json:"failed"` // nobody wanted it: the VMI fails
	Message string `json:"message"`
}

// maxExit is what Kubernetes takes of a termination message, in bytes (MaxContainerTerminationMessageLength), with room for JSON to
// escape some of it.
const maxExit = 4096 - 1024

// Encode returns the termination message.
func (e Exit) Encode() []byte {
	if len(e.Message) > maxExit {
		e.Message = strings.ToValidUTF8(e.Message[:maxExit], "")
	}
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // a string and a bool: can't be
	}
	return text
}

// ParseExit reads a termination message. It returns false for one that no launcher has left whole.
func ParseExit(message string) (e Exit, ok bool) {
	err := json.Unmarshal([]byte(message), &e)
	return e, err == nil && e.Message != ""
}

// Exec is a command to run in the guest. It is no longer waited for when the request is cancelled.
type Exec struct {
	Command []string `json:"command"`
}

// ExecResult is what came of it.
type ExecResult struct {
	ExitCode int    `json:"exitCode"`
	Output   string `json:"output,omitempty"` // stdout and stderr
}
