// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"time"
)

// patience is how long a datapath may take for one step before it counts as broken: it outlasts some retransmissions.
const patience = 10 * time.Second

// sleep waits, or returns why ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
