// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"

	"github.com/tapir-vm/tapir/bench/report"
)

// Check says before a run what would make it fail half-way: too few processors, a missing tool.
func Check() error {
	if n := runtime.NumCPU(); n < 2 {
		return fmt.Errorf("the two ends of a load need a processor each, and this process may use %d: give it more", n)
	}
	if _, err := exec.LookPath("nft"); err != nil {
		return fmt.Errorf("KubeVirt's rules need nft: install what Debian calls nftables: %w", err)
	}
	return nil
}

// Fit takes out of the plan what this machine has not the memory or the tools for. It returns an error where
// that is wanted by name, or a run as such takes more memory than there is.
func (p *Plan) Fit(wanted []string) error {
	free, err := freeMemory()
	if err != nil {
		return err
	}
	if free < base {
		return fmt.Errorf("%w: a run takes %d MiB, and %d are free", ErrMemory, base, free)
	}
	skipped := map[string]bool{}
	skip := func(name string, why error) error {
		if slices.Contains(wanted, name) {
			return fmt.Errorf("%s can't be measured here: %w", name, why)
		}
		if !skipped[name] {
			skipped[name] = true
			p.Skipped = append(p.Skipped, report.Item{Name: name, About: why.Error()})
		}
		return nil
	}
	var entries []Entry
	for _, e := range p.Entries {
		on := []Datapath{}
		for _, d := range e.On {
			if why := lacks(d); why == nil {
				on = append(on, d)
			} else if err := skip(d.Name(), why); err != nil {
				return err
			}
		}
		e.On = on
		why := lacks(e.Load)
		if need := e.memory(); need > free {
			why = fmt.Errorf("%w: it takes %d MiB, and %d are free", ErrMemory, need, free)
		}
		if why == nil {
			entries = append(entries, e)
		} else if err := skip(e.Name(), why); err != nil {
			return err
		}
	}
	p.Entries = entries
	return nil
}

func lacks(x any) error {
	if l, ok := x.(Lacking); ok {
		return l.Lacks()
	}
	return nil
}
