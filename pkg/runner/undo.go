// SPDX-License-Identifier: Apache-2.0

package runner

import "fmt"

// undo is what has to be done, last first, to remove what was made so far.
type undo []func() error

func (u *undo) add(f func() error) { *u = append(*u, f) }

// run undoes everything, also when some of it fails.
func (u *undo) run() error {
	var err error
	for i := len(*u) - 1; i >= 0; i-- {
		err = then(err, (*u)[i]())
	}
	*u = nil
	return err
}

// then makes one error, of one line, of one and of what else failed after it. Either may be nil.
func then(first, next error) error {
	switch {
	case first == nil:
		return next
	case next == nil:
		return first
	}
	return fmt.Errorf("%w; and then: %w", first, next)
}
