// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

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
// that is wanted by name, or nothing remains.
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

// ErrMemory says that a load needs more memory than is free.
var ErrMemory = errors.New("too little memory")

func lacks(x any) error {
	if l, ok := x.(Lacking); ok {
		return l.Lacks()
	}
	return nil
}

const (
	base        = 300 // MiB: namespaces and buffers
	bytesOfFlow = 600 // a tracked connection, or an entry of Tapir's tables
)

// memory is what an entry needs at most, in MiB.
func (e Entry) memory() uint64 {
	return base + uint64(e.Conditions().Table)*bytesOfFlow*uint64(len(e.On))>>20
}

// freeMemory is in MiB.
func freeMemory() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("asking for free memory: %w", err)
	}
	return (info.Freeram + info.Bufferram) * uint64(info.Unit) >> 20, nil
}
