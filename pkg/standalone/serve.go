// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/tapir-vm/tapir/pkg/standalone/nameserver"
	"golang.org/x/sync/errgroup"
)

// Nameservers are the addresses that the pod's name server listens on, for its guests to be told.
func (p *Pod) Nameservers() []netip.Addr {
	if p.Gateway6.IsValid() {
		return []netip.Addr{p.Gateway4, p.Gateway6}
	}
	return []netip.Addr{p.Gateway4}
}

// Serve does what a pod needs a process for, until the context ends: it answers DNS queries that
// come out of the pod, and puts the translation back when the reload of a firewall has flushed it.
func (p *Pod) Serve(ctx context.Context, log *slog.Logger) error {
	server, err := nameserver.Listen(ctx, p.HostNIC, p.Nameservers(), log)
	if err != nil {
		return fmt.Errorf("serve names to pod %s: %w", p, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(ctx) })
	group.Go(func() error {
		for tick := time.NewTicker(flushInterval); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return nil
			case <-tick.C:
				if err := retranslate(ctx, log); err != nil && ctx.Err() == nil {
					log.Warn("the translation of what pods send can't be checked", "error", err)
				}
			}
		}
	})
	return group.Wait()
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
