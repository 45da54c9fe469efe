// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
)

// Of two that stop a VM at once, both succeed, unless one comes when it is gone; and what is amiss with one VM is no reason
// not to stop the next.
func TestStopTwice(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	tapir(t, "run", "-d", "--accel", "tcg", "-f", manifest)
	waitForGuest(t, "demo", "TAPIR-GUEST ready")
	several := start(t, command("stop", "nosuch", "demo", "UPPER"))
	several.wait(t, "powering the guest down")
	if r := run(t, command("stop", "demo")); r.code != 0 && !strings.Contains(r.stderr, "tapir: no such VM: demo: ") {
		t.Errorf("the second of two: exit code %d: %s", r.code, r.stderr)
	}
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
