// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"log/slog"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/metrics"
)

// ServeDHCP opens sockets on the tap of an attached NIC and makes the servers that tell its guest its
// addresses; lease holds what the datapath doesn't know: name servers, host name and the like.
// The caller closes the sockets when the servers have ended.
func ServeDHCP(nic *datapath.NIC, lease dhcp.Config4, log *slog.Logger) (*dhcp.Servers, dhcp.Sockets, error) {
	a, cfg := nic.Addresses(), nic.Config()
	files, err := dhcp.Open(cfg.NetNS, cfg.Tap, a.Guest4.IsValid(), a.Guest6.IsValid())
	if err != nil {
		return nil, dhcp.Sockets{}, err
	}
	sockets, err := files.Sockets()
	if err != nil {
		return nil, dhcp.Sockets{}, err
	}
	lease.ClientMAC = cfg.MAC
	v4, v6, ra := network(a).Leases(lease)
	servers, err := dhcp.NewServers(sockets, v4, v6, ra, log)
	if err != nil {
		sockets.Close()
		return nil, dhcp.Sockets{}, err
	}
	return servers, sockets, nil
}

// serveDHCP answers the guest of one NIC until the machine is taken down.
func (m *Machine) serveDHCP(ctx context.Context, nic *datapath.NIC, id metrics.Identity, lease dhcp.Config4) error {
	servers, sockets, err := ServeDHCP(nic, lease, m.log)
	if err != nil {
		return err
	}
	m.undo.add(sockets.Close)
	remove := m.options.Metrics.AddDHCP(id, servers)
	m.undo.add(func() error { remove(); return nil })
	m.serve(ctx, "DHCP", servers.Serve)
	return nil
}

// serve runs a server until the machine is taken down. A server that fails is told of, and its guest goes on.
func (m *Machine) serve(ctx context.Context, name string, server func(context.Context) error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server(ctx); err != nil {
			m.log.Error("a server of the guest has failed", "server", name, "error", err)
		}
	}()
	m.undo.add(func() error {
		stop()
		<-ended
		return nil
	})
}
