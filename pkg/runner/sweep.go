// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"log/slog"
	"os"

	"github.com/tapir-vm/tapir/pkg/standalone"
)

// sweep removes pods of machines whose directory was deleted by hand; their datapaths go with the next one that is
// attached. That isn't what the user asked for: when it fails, it can wait.
func sweep(ctx context.Context, log *slog.Logger) {
	swept, err := standalone.Sweep(ctx, func(p *standalone.Pod) bool {
		path, err := homePath(p.Name)
		if err == nil {
			_, err = os.Stat(path)
		}
		return err == nil
	}, log)
	for _, pod := range swept {
		log.Info("a pod that had no VM any more is removed", "pod", pod)
	}
	if err != nil {
		log.Warn("pods that have no VM any more can't be removed", "error", err)
	}
}
