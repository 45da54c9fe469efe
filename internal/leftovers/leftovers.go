// SPDX-License-Identifier: Apache-2.0

package leftovers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// A Snapshot is a set of descriptions, a line for each thing that was there.
type Snapshot map[string]bool

func (s Snapshot) add(format string, arguments ...any) {
	s[fmt.Sprintf(format, arguments...)] = true
}

// Take looks around.
func Take() (Snapshot, error) {
	s := Snapshot{}
	err := errors.Join(
		s.addNamespaces(),
		s.addSettings(),
		s.addFiles("pin", "/sys/fs/bpf/tapir"),
		s.addFiles("file", "/run/tapir"),
		s.addProcesses())
	return s, err
}

// Diff lists what differs in a later snapshot: "+ " before what came, "- " before what went.
func (s Snapshot) Diff(later Snapshot) []string {
	var diff []string
	for _, line := range slices.Sorted(maps.Keys(later)) {
		if !s[line] {
			diff = append(diff, "+ "+line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(s)) {
		if !later[line] {
			diff = append(diff, "- "+line)
		}
	}
	return diff
}

// Check fails the test if, after all clean-up that is registered later, the host isn't as it is now.
// The kernel takes its time to end processes and namespaces, so it looks again for a while.
func Check(t testing.TB) {
	t.Helper()
	before, err := Take()
	if err != nil {
		t.Fatalf("look at the host before the test: %v", err)
	}
	t.Cleanup(func() {
		var diff []string
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			after, err := Take()
			if err != nil {
				t.Errorf("look at the host after the test: %v", err)
				return
			}
			if diff = before.Diff(after); len(diff) == 0 {
				return
			}
		}
		for _, line := range diff {
			t.Errorf("the host has changed: %s", line)
		}
	})
}
