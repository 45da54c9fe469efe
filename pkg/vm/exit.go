// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/digitalocean/go-qemu/qmp"
)

// Reason says why a VM ended.
type Reason string

const (
	GuestShutdown Reason = "guest shutdown" // the guest powered itself off
	GuestPanic    Reason = "guest panic"    // the guest's kernel gave up
	HostRequest   Reason = "host request"   // Shutdown, Kill, or another process's
	SwitchedOff   Reason = "switched off"   // Shutdown did it, for the guest was too slow; Detail says for what time
	Killed        Reason = "killed"         // a signal from outside ended QEMU
	Failed        Reason = "QEMU failed"    // QEMU ended by itself; Detail has its last words
)

// Exit is the end of a VM.
type Exit struct {
	Reason Reason `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

// Accident tells ends that nobody wanted.
func (e Exit) Accident() bool {
	return e.Reason != GuestShutdown && e.Reason != HostRequest && e.Reason != SwitchedOff
}

func (e Exit) String() string {
	if e.Detail == "" {
		return string(e.Reason)
	}
	return fmt.Sprintf("%s: %s", e.Reason, e.Detail)
}

// ending gathers what was seen of a VM's end, from events and from those who asked for it.
type ending struct {
	mu        sync.Mutex
	requested bool
	late      string // what the guest didn't do in its time
	shutdown  string // the reason in QMP's SHUTDOWN event
}

func (e *ending) request() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requested = true
}

func (e *ending) timeout(late string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.late = late
}

// observe takes note of a QMP event. POWERDOWN comes from any process that pressed the power button.
func (e *ending) observe(event qmp.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch event.Event {
	case "POWERDOWN":
		e.requested = true
	case "SHUTDOWN":
		e.shutdown, _ = event.Data["reason"].(string)
	}
}

// exit judges. status is nil when QEMU was another process's child; words is its last line on stderr.
func (e *ending) exit(status *os.ProcessState, words string) Exit {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.shutdown == "guest-panic":
		return Exit{Reason: GuestPanic}
	case e.late != "" && e.shutdown != "guest-shutdown":
		return Exit{Reason: SwitchedOff, Detail: e.late}
	case e.requested, e.shutdown == "host-qmp-quit":
		return Exit{Reason: HostRequest}
	case e.shutdown == "guest-shutdown":
		return Exit{Reason: GuestShutdown}
	case e.shutdown == "host-signal":
		return Exit{Reason: Killed, Detail: words}
	case status == nil && words != "":
		return Exit{Reason: Failed, Detail: words}
	case status == nil:
		return Exit{Reason: Killed}
	}
	wait, _ := status.Sys().(syscall.WaitStatus)
	if wait.Signaled() && !crashes(wait.Signal()) {
		return Exit{Reason: Killed, Detail: "signal: " + wait.Signal().String()}
	}
	if words == "" {
		words = status.String()
	}
	return Exit{Reason: Failed, Detail: words}
}

// crashes tells the signals that a program brings upon itself.
func crashes(s syscall.Signal) bool {
	switch s {
	case syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGSYS, syscall.SIGTRAP:
		return true
	}
	return false
}
