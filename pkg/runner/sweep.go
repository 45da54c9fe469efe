// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"log/slog"
	"os"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/standalone"
)

// sweep removes pods and datapaths of machines whose directory was deleted by hand. That isn't what the user
// asked for: when it fails, it can wait.
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
	datapaths, e := datapath.Sweep()
	for _, nic := range datapaths {
		log.Info("a datapath whose pod was deleted is removed", "nic", nic)
	}
	if err := then(err, e); err != nil {
		log.Warn("what deleted VMs have left can't be removed", "error", err)
	}
}
