// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
)

// Of two that stop a VM at once, both succeed; and what is amiss with one VM is no reason not to stop the next.
func TestStopTwice(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	tapir(t, "run", "-d", "--accel", "tcg", "-f", manifest)
	waitForGuest(t, "demo", "TAPIR-GUEST ready")
	first := start(t, command("stop", "demo"))
	first.wait(t, "powering the guest down")
	several := start(t, command("stop", "nosuch", "demo", "UPPER"))
	if r := run(t, command("stop", "demo")); r.code != 0 {
		t.Errorf("the second of two: exit code %d: %s", r.code, r.stderr)
	}
	first.wait(t, "demo: stopped")
	for _, says := range []string{"demo: stopped", "tapir: no such VM: nosuch: ", `no such VM: "UPPER"`} {
		several.wait(t, says)
	}
	_ = several.Wait()
	if code := several.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d, though two of the VMs don't exist", code)
	}
	if r := run(t, command("stop", "demo")); r.code != 1 || strings.Count(r.stderr, "demo") != 1 {
		t.Errorf("stop what has ended: exit code %d: %s", r.code, r.stderr)
	}
}
