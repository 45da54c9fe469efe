// SPDX-License-Identifier: Apache-2.0

package runner

import "errors"

// undo is what has to be done, last first, to remove what was made so far.
type undo []func() error

func (u *undo) add(f func() error) { *u = append(*u, f) }

// run undoes everything, also when some of it fails.
func (u *undo) run() error {
	var errs []error
	for i := len(*u) - 1; i >= 0; i-- {
		errs = append(errs, (*u)[i]())
	}
	*u = nil
	return errors.Join(errs...)
}
