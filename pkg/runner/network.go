// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"time"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/metrics"
	"github.com/tapir-vm/tapir/pkg/spec"
	"github.com/tapir-vm/tapir/pkg/standalone"
)

// attach joins the NICs to the pod, and serves names and addresses to the guest behind them.
func (m *Machine) attach(ctx context.Context, v *spec.VM) error {
	_, search := resolver(hostResolvers...)
	for i := range v.NICs {
		nic := &v.NICs[i]
		id := metrics.Identity{Namespace: v.Namespace, VM: v.Name, Interface: nic.Device.Name}
		cfg := nic.Datapath
		cfg.Name, cfg.NetNS, cfg.NIC = id.Name(), m.pod.NetNS, standalone.NIC
		cfg.TapUID, cfg.TapGID = -1, -1 // we open it, and hand QEMU the descriptors
		begin := time.Now()
		attached, err := datapath.Attach(cfg)
		if err != nil {
			return err
		}
		m.undo.add(func() error { return datapath.Detach(cfg.NetNS, cfg.Tap) })
		m.undo.add(attached.Close)
		m.options.Metrics.Attached(time.Since(begin))
		addresses := attached.Addresses()
		nic.Device.MTU = addresses.MTU
		m.log.Info("datapath is attached", "tap", cfg.Tap, "took", time.Since(begin).Round(time.Millisecond))

		lease := nic.DHCP
		lease.DNS, lease.Search = m.pod.Nameservers(), search
		lease.Domain = dhcp.Domain(v.Subdomain, search)
		if err := m.serveDHCP(ctx, attached, id, lease); err != nil {
			return err
		}
	}
	server, err := m.pod.Listen(ctx, m.log)
	if err != nil {
		return err
	}
	m.serve(ctx, "pod", func(ctx context.Context) error {
		server.Serve(ctx)
		return nil
	})
	return nil
}
