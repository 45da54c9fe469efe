// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/tapir-vm/tapir/pkg/spec"
)

// Run starts machines, calls ready when all of them run, and returns when the last one has ended and nothing
// of them is left. When one can't be started, or ctx ends, those that run are powered down.
func Run(ctx context.Context, vms []*spec.VM, o Options, ready func()) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	for _, v := range vms {
		m, err := Start(ctx, v, o)
		if err != nil {
			stop()
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error { return m.Wait(ctx) })
	}
	ready()
	return group.Wait()
}
