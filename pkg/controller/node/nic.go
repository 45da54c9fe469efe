// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/metrics"
	"github.com/tapir-vm/tapir/pkg/spec"
)

// nic is a NIC of a machine, attached.
type nic struct {
	name      string // of the interface
	pod       string // the pod's NIC
	tap       string
	mac       string
	queues    int
	virtio    bool
	addresses datapath.Addresses
}

// attach brings the datapath of all NICs into line with what is wanted; pod is the launcher's name.
func (r *Reconciler) attach(ctx context.Context, m *machine, v *spec.VM, pod string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	for i := range v.NICs {
		if err := ctx.Err(); err != nil { // its turn has come late
			return err
		}
		wanted := &v.NICs[i]
		cfg := wanted.Datapath
		cfg.Name = metrics.Identity{Namespace: v.Namespace, VM: v.Name, Interface: wanted.Device.Name, Pod: pod}.Name()
		cfg.NetNS = pathOf(m.netns)
		cfg.TapUID, cfg.TapGID = -1, -1 // it is opened here, and handed over by descriptor
		begin := time.Now()
		attached, err := datapath.Attach(cfg)
		if err != nil {
			return err
		}
		r.Metrics.Attached(time.Since(begin))
		m.nics = append(m.nics, nic{
			name: wanted.Device.Name, pod: cfg.NIC, tap: cfg.Tap, mac: cfg.MAC.String(), queues: wanted.Device.Queues,
			virtio:    wanted.Device.Model == kubevirt.VirtIO,
			addresses: attached.Addresses(),
		})
		attached.Close()
	}
	return nil
}

// open opens what the launcher needs of a NIC. On an error nothing is left open.
func (n *nic) open(netns string) (f handover.Files, err error) {
	defer func() {
		if err != nil {
			f.Close()
			f, err = handover.Files{}, fmt.Errorf("interface %s: %w", n.name, err)
		}
	}()
	if f.Taps, err = datapath.OpenTap(netns, n.tap, n.queues); err != nil {
		return f, err
	}
	if n.virtio {
		if f.VHost, err = datapath.OpenVhost(n.queues); err != nil {
			return f, err
		}
	}
	servers, err := dhcp.Open(netns, n.tap, n.addresses.Guest4.IsValid(), n.addresses.Guest6.IsValid())
	f.DHCP4, f.DHCP6, f.RA = servers.V4, servers.V6, servers.RA
	return f, err
}

// plan says to the launcher what a NIC is like.
func (n *nic) plan(f handover.Files) handover.NIC {
	a := n.addresses
	p := handover.NIC{
		Name: n.name, Queues: n.queues, VHost: len(f.VHost) > 0, MTU: a.MTU,
		Gateway4: a.Gateway4, Guest6: a.Guest6, Prefix6: a.Prefix6, GatewayMAC: datapath.GatewayMAC.String(),
	}
	if a.Guest4.IsValid() {
		p.Guest4 = netip.PrefixFrom(a.Guest4, a.Prefix4.Bits())
	}
	return p
}
