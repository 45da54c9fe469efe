// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Delete removes the pod, and what it needed on the host if it is the last one. Deleting what is gone
// succeeds. After an error the pod stays on record, so that it can be deleted again.
func (p *Pod) Delete(ctx context.Context, log *slog.Logger) error {
	_, err := deletePods(ctx, log, func(other *Pod) bool { return other.String() == p.String() })
	return err
}

// Sweep removes what crashed runs left: pods that aren't whole, and those that keep says nobody needs
// any more. It returns the names of the pods.
func Sweep(ctx context.Context, keep func(*Pod) bool, log *slog.Logger) ([]string, error) {
	return deletePods(ctx, log, func(p *Pod) bool { return !p.alive() || !keep(p) })
}

func deletePods(ctx context.Context, log *slog.Logger, doomed func(*Pod) bool) ([]string, error) {
	unlock, err := lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	pods, err := records()
	if err != nil {
		return nil, err
	}
	var names []string
	var errs []error
	remaining := slices.DeleteFunc(slices.Clone(pods), func(p *Pod) bool {
		if !doomed(p) {
			return false
		}
		if err := p.remove(); err != nil {
			errs = append(errs, fmt.Errorf("delete pod %s: %w", p, err))
			return false
		}
		names = append(names, p.String())
		return true
	})
	return names, errors.Join(append(errs, releaseHost(remaining, log))...)
}

// remove deletes everything of the pod's own, and then its record.
func (p *Pod) remove() error {
	if err := errors.Join(p.disconnect(), deleteNetNS(p.NetNS)); err != nil {
		return err
	}
	return removeFile(p.file())
}
