// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"sync"

	"github.com/tapir-vm/tapir/pkg/spec"
)

// Run starts machines, calls ready when all of them run, and returns when the last one has ended and nothing
// of them is left but what tells of accidents. When one can't be started, or ctx ends, those that run are
// powered down. The error has a line for each machine that failed.
func Run(ctx context.Context, vms []*spec.VM, o Options, ready func()) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sweep(ctx, o.Log)
	var running sync.WaitGroup
	errs := make([]error, len(vms))
	for i, v := range vms {
		m, err := Start(ctx, v, o)
		if err != nil {
			errs[i] = err
			stop()
			running.Wait()
			return errors.Join(errs...)
		}
		running.Go(func() { errs[i] = m.Wait(ctx) })
	}
	ready()
	running.Wait()
	return errors.Join(errs...)
}
