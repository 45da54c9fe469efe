// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/internal/sandbox"
)

// What needs more memory than there is, is left out; wanted by name, it is an error.
func TestFitToMemory(t *testing.T) {
	small, large := udpRate{in, 1, 0}, udpRate{in, 1_000_000, roomiestTable}
	sandbox.File(t, "/proc/meminfo", "MemTotal: 9000000 kB\nMemFree: 1000 kB\nMemAvailable: 1000000 kB\n")
	p := short([]Datapath{mirred{}, tapirTC{}}, small, large)
	if err := p.Fit(nil); err != nil {
		t.Fatal(err)
	}
	if len(p.Entries) != 1 || p.Entries[0].Name() != small.Name() {
		t.Errorf("kept %v, want %s", p.Entries, small.Name())
	}
	if len(p.Skipped) != 1 || p.Skipped[0].Name != large.Name() || !strings.Contains(p.Skipped[0].About, "976 are free") {
		t.Errorf("skipped %v, want %s", p.Skipped, large.Name())
	}
	p = short([]Datapath{mirred{}, tapirTC{}}, small, large)
	if err := p.Fit([]string{large.Name()}); !errors.Is(err, ErrMemory) {
		t.Errorf("wanted by name: got %v, want %v", err, ErrMemory)
	}
}
