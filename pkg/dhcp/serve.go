// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"context"
	"errors"
	"log/slog"

	"golang.org/x/sync/errgroup"
)

var errNoSocket = errors.New("no socket given")

// Servers are those of one NIC.
type Servers struct {
	byVersion map[string]server
}

type server interface {
	Serve(context.Context) error
	Stats() Stats
}

var (
	_ server = (*Server4)(nil)
	_ server = (*Server6)(nil)
	_ server = (*Advertiser)(nil)
)

// NewServers makes a server for each configuration, which needs its socket. A socket without configuration is
// left alone.
func NewServers(sockets Sockets, v4 *Config4, v6 *Config6, ra *ConfigRA, log *slog.Logger) (*Servers, error) {
	servers := map[string]server{}
	if v4 != nil {
		s, err := NewServer4(sockets.V4, *v4, log)
		if err != nil {
			return nil, err
		}
		servers["v4"] = s
	}
	if v6 != nil {
		s, err := NewServer6(sockets.V6, *v6, log)
		if err != nil {
			return nil, err
		}
		servers["v6"] = s
	}
	if ra != nil {
		s, err := NewAdvertiser(sockets.RA, *ra, log)
		if err != nil {
			return nil, err
		}
		servers["ra"] = s
	}
	if len(servers) == 0 {
		return nil, errors.New("nothing to serve: configure DHCPv4, DHCPv6 or router advertisements")
	}
	return &Servers{servers}, nil
}

// Serve runs all servers until ctx ends, and then returns nil. When one fails, all end with its error.
func (s *Servers) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, each := range s.byVersion {
		group.Go(func() error { return each.Serve(ctx) })
	}
	return group.Wait()
}

// Stats are the counters of each server, by the version label of tapir_dhcp_messages_total: "v4", "v6" and "ra".
func (s *Servers) Stats() map[string]Stats {
	stats := map[string]Stats{}
	for version, each := range s.byVersion {
		stats[version] = each.Stats()
	}
	return stats
}
