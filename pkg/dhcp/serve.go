// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/sync/errgroup"
)

// Servers are those of one NIC, nil where it has none.
type Servers struct {
	V4 *Server4
	V6 *Server6
	RA *Advertiser
}

// NewServers makes a server for each configuration, which needs its socket. A socket without configuration is
// left alone.
func NewServers(sockets Sockets, v4 *Config4, v6 *Config6, ra *ConfigRA, log *slog.Logger) (*Servers, error) {
	if v4 == nil && v6 == nil && ra == nil {
		return nil, errors.New("nothing to serve: configure DHCPv4, DHCPv6 or router advertisements")
	}
	for _, each := range []struct {
		name   string
		wanted bool
		conn   net.PacketConn
	}{
		{"DHCPv4", v4 != nil, sockets.V4},
		{"DHCPv6", v6 != nil, sockets.V6},
		{"router advertisements", ra != nil, sockets.RA},
	} {
		if each.wanted && each.conn == nil {
			return nil, fmt.Errorf("serving %s: no socket given", each.name)
		}
	}
	var s Servers
	var err error
	if v4 != nil {
		if s.V4, err = NewServer4(sockets.V4, *v4, log); err != nil {
			return nil, err
		}
	}
	if v6 != nil {
		if s.V6, err = NewServer6(sockets.V6, *v6, log); err != nil {
			return nil, err
		}
	}
	if ra != nil {
		if s.RA, err = NewAdvertiser(sockets.RA, *ra, log); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

// Serve runs all servers until ctx ends, and then returns nil. When one fails, all end with its error.
func (s *Servers) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.V4 != nil {
		group.Go(func() error { return s.V4.Serve(ctx) })
	}
	if s.V6 != nil {
		group.Go(func() error { return s.V6.Serve(ctx) })
	}
	if s.RA != nil {
		group.Go(func() error { return s.RA.Serve(ctx) })
	}
	return group.Wait()
}

// Stats are the counters of each server, by the version label of tapir_dhcp_messages_total: "v4", "v6" and "ra".
func (s *Servers) Stats() map[string]Stats {
	stats := map[string]Stats{}
	if s.V4 != nil {
		stats["v4"] = s.V4.Stats()
	}
	if s.V6 != nil {
		stats["v6"] = s.V6.Stats()
	}
	if s.RA != nil {
		stats["ra"] = s.RA.Stats()
	}
	return stats
}

// Serve runs a server for each configuration until ctx ends, for callers that need no counters.
func Serve(ctx context.Context, sockets Sockets, v4 *Config4, v6 *Config6, ra *ConfigRA, log *slog.Logger) error {
	s, err := NewServers(sockets, v4, v6, ra, log)
	if err != nil {
		return err
	}
	return s.Serve(ctx)
}
