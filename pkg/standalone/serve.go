// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/tapir-vm/tapir/pkg/standalone/nameserver"
)

// Nameservers are the addresses that the pod's name server listens on, for its guests to be told.
func (p *Pod) Nameservers() []netip.Addr {
	if p.Gateway6.IsValid() {
		return []netip.Addr{p.Gateway4, p.Gateway6}
	}
	return []netip.Addr{p.Gateway4}
}

// A Server does what a pod needs a process for.
type Server struct {
	pod   *Pod
	names *nameserver.Server
	log   *slog.Logger
}

// Listen opens the sockets of a pod's server. Serve closes them.
func (p *Pod) Listen(ctx context.Context, log *slog.Logger) (*Server, error) {
	names, err := nameserver.Listen(ctx, p.HostNIC, p.Nameservers(), log)
	if err != nil {
		return nil, fmt.Errorf("serve names to pod %s: %w", p, err)
	}
	return &Server{p, names, log}, nil
}

// Serve answers DNS queries that come out of the pod, and puts the translation back when the reload of a
// firewall has flushed it, until the context ends. That one fails, which is logged, doesn't end the other.
func (s *Server) Serve(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.names.Serve(ctx); err != nil {
			s.log.Error("guests get no names any more: the name server has failed", "pod", s.pod, "error", err)
		}
	})
	group.Go(func() { keepTranslating(ctx, s.log) })
	group.Wait()
}

func keepTranslating(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := retranslate(ctx, log); err != nil && ctx.Err() == nil {
				log.Warn("the translation of what pods send can't be checked", "error", err)
			}
		}
	}
}

// flushInterval is how long guests may be cut off when something flushes all nftables rules.
const flushInterval = 2 * time.Second

// retranslate makes the table again if it is missing.
func retranslate(ctx context.Context, log *slog.Logger) error {
	if there, err := translating(); there || err != nil {
		return err
	}
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// The last pod may have been deleted between look and lock.
	pods, err := records()
	if err != nil || len(pods) == 0 {
		return err
	}
	log.Warn("nftables table tapir was deleted, perhaps by a firewall's reload: putting it back")
	return translate(pods)
}
