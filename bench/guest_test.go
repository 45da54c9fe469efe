// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A guest boots behind each kind of datapath, is measured, and ends with the run.
func TestRunWithGuests(t *testing.T) {
	t.Chdir("..")
	for _, l := range []Load{guestStream{in}, guestStream{out}, guestRR{}} {
		t.Run(l.Name(), func(t *testing.T) {
			checkLeftovers(t)
			t.Setenv("TMPDIR", t.TempDir())
			r, err := Run(t.Context(), short(pick("kubevirt-masquerade", "mirred", "tapir-tc", "direct"), l))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []string{"kubevirt-masquerade", "mirred", "tapir-tc"} {
				for _, m := range l.Metrics() {
					if s := r.Find(l.Name(), d, m.Name); s == nil || s.Min <= 0 {
						t.Errorf("%s, %s: %+v", d, m.Name, s)
					}
				}
			}
			if left, err := filepath.Glob(filepath.Join(os.TempDir(), "tapir-bench-*")); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

// A run that ends while its guest boots takes QEMU along.
func TestGuestsEndWithTheRun(t *testing.T) {
	t.Chdir("..")
	checkLeftovers(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Run(ctx, short([]Datapath{&interrupter{tapirTC{}, cancel}}, guestRR{}))
	if !errors.Is(err, ErrInterrupted) || r.Partial == "" {
		t.Errorf("got %v, partial %q; want %v", err, r.Partial, ErrInterrupted)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "tapir-bench-*")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestGuestsAreLackedWithoutTheirImage(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := (guestRR{}).Lacks(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
	p := short([]Datapath{mirred{}}, guestRR{})
	if err := p.Fit(nil); err != nil || len(p.Entries) > 0 || len(p.Skipped) != 1 {
		t.Errorf("%d entries, skipped %v, %v", len(p.Entries), p.Skipped, err)
	}
	p = short([]Datapath{mirred{}}, guestRR{})
	if err := p.Fit([]string{"guest-rr"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("wanted by name: got %v, want %v", err, fs.ErrNotExist)
	}
}
