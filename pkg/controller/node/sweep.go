// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// sweepInterval is how long pins of a pod that has gone may stay, which hold a few MiB of maps and harm nobody, and how long
// a datapath may stay broken that somebody has meddled with.
const sweepInterval = time.Minute

// Sweeper removes datapaths of pods that have gone, and repairs those that somebody has meddled with. That it can is also what
// shows that the agent may do its work here at all. It also gives memory back, of which an agent needs less than it once did.
type Sweeper struct {
	log *slog.Logger

	mu      sync.Mutex
	swept   bool
	problem error
}

// Start sweeps until ctx ends: manager.Runnable.
func (s *Sweeper) Start(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		gone, err := datapath.Sweep()
		s.mu.Lock()
		s.swept, s.problem = true, err
		s.mu.Unlock()
		for _, key := range gone {
			s.log.Info("a datapath whose pod is gone is removed", "key", key)
		}
		if err != nil {
			s.log.Warn("datapaths whose pods are gone can't be removed", "error", err)
		}
		repaired, err := datapath.Repair()
		for _, key := range repaired {
			s.log.Info("a datapath that somebody had changed is repaired", "key", key)
		}
		if err != nil {
			s.log.Warn("datapaths can't be repaired", "error", err)
		}
		if err := trim(); err != nil {
			s.log.Warn("memory that isn't needed can't be given back", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Ready is healthz.Checker: the agent has looked around and can work with pins.
func (s *Sweeper) Ready(*http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.swept {
		return errors.New("the agent is starting")
	}
	return s.problem
}
