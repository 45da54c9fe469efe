// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"os/exec"
	"testing"

	"github.com/digitalocean/go-qemu/qmp"
)

func shutdown(reason any) qmp.Event {
	return qmp.Event{Event: "SHUTDOWN", Data: map[string]any{"reason": reason}}
}

// status is that of a shell that has run script.
func status(t *testing.T, script string) *os.ProcessState {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Run()
	return cmd.ProcessState
}

func TestExitReasons(t *testing.T) {
	powerdown := qmp.Event{Event: "POWERDOWN"}
	ok := status(t, "true")
	for _, tc := range []struct {
		name      string
		events    []qmp.Event
		requested bool
		late      bool
		status    *os.ProcessState
		words     string
		want      Exit
	}{
		{"guest powers off", []qmp.Event{shutdown("guest-shutdown")}, false, false, ok, "", Exit{Reason: GuestShutdown}},
		{"guest panics", []qmp.Event{shutdown("guest-panic")}, true, false, ok, "", Exit{Reason: GuestPanic}},
		{"we shut down", []qmp.Event{shutdown("guest-shutdown")}, true, false, ok, "", Exit{Reason: HostRequest}},
		{"another process shut down", []qmp.Event{powerdown, shutdown("guest-shutdown")}, false, false, nil, "", Exit{Reason: HostRequest}},
		{"another process quit", []qmp.Event{shutdown("host-qmp-quit")}, false, false, ok, "", Exit{Reason: HostRequest}},
		{"SIGTERM", []qmp.Event{shutdown("host-signal")}, false, false, ok, "terminating on signal 15", Exit{Killed, "terminating on signal 15"}},
		{"SIGKILL", nil, false, false, status(t, "kill -9 $$"), "old words", Exit{Killed, "signal: killed"}},
		{"SIGKILL, not a child", nil, false, false, nil, "", Exit{Reason: Killed}},
		{"crash", nil, false, false, status(t, "kill -SEGV $$"), "", Exit{Failed, "signal: segmentation fault"}},
		{"crash with words", nil, false, false, status(t, "kill -ABRT $$"), "assertion failed", Exit{Failed, "assertion failed"}},
		{"failure", nil, false, false, status(t, "exit 1"), "out of memory", Exit{Failed, "out of memory"}},
		{"failure without words", nil, false, false, status(t, "exit 1"), "", Exit{Failed, "exit status 1"}},
		{"failure, not a child", nil, false, false, nil, "out of memory", Exit{Failed, "out of memory"}},
		{"nonsense", []qmp.Event{shutdown(7)}, false, false, status(t, "exit 1"), "", Exit{Failed, "exit status 1"}},
		{"too slow", []qmp.Event{powerdown, shutdown("host-qmp-quit")}, true, true, ok, "", Exit{SwitchedOff, "too slow"}},
		{"hangs", nil, true, true, status(t, "kill -9 $$"), "", Exit{SwitchedOff, "too slow"}},
		{"nearly too slow", []qmp.Event{powerdown, shutdown("guest-shutdown")}, true, true, ok, "", Exit{Reason: HostRequest}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var e ending
			if tc.late {
				e.timeout("too slow")
			}
			if tc.requested {
				e.request()
			}
			for _, event := range tc.events {
				e.observe(event)
			}
			if got := e.exit(tc.status, tc.words); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
