// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/spec"
)

// servers are those of all NICs.
type servers struct {
	all     []*dhcp.Servers
	sockets []dhcp.Sockets
}

// network gives the machine's NICs their taps, and makes the servers that tell the guest its addresses.
func (l *launcher) network(v *spec.VM, p plan) (_ *servers, err error) {
	s := &servers{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if len(v.NICs) != len(p.NICs) {
		return nil, fmt.Errorf("the agent has made %d interfaces of %d: is it of another release?", len(p.NICs), len(v.NICs))
	}
	dns, search, err := l.resolver()
	if err != nil {
		return nil, err
	}
	for i := range v.NICs {
		nic, made, files := v.NICs[i], &p.NICs[i], &p.files[i]
		if made.Name != nic.Device.Name {
			return nil, fmt.Errorf("the agent has made interface %q in the place of %q: is it of another release?", made.Name, nic.Device.Name)
		}
		nic.Device.MTU, nic.Device.Queues = made.MTU, made.Queues
		nic.Device.FDs, nic.Device.VHostFDs = descriptors(files.Taps), descriptors(files.VHost)
		v.VM.NICs = append(v.VM.NICs, nic.Device)

		lease := nic.DHCP
		lease.ClientMAC, lease.DNS, lease.Search = nic.Device.MAC, dns, search
		lease.Domain = dhcp.Domain(v.Subdomain, search)
		if err := s.add(made, files, lease, l.Log); err != nil {
			return nil, fmt.Errorf("interface %s: %w", made.Name, err)
		}
	}
	return s, nil
}

// add makes the servers of one NIC, if it has a family to serve.
func (s *servers) add(made *handover.NIC, files *handover.Files, lease dhcp.Config4, log *slog.Logger) error {
	if files.DHCP4 == nil && files.DHCP6 == nil {
		return nil
	}
	gateway, err := net.ParseMAC(made.GatewayMAC)
	if err != nil {
		return err
	}
	sockets, err := dhcp.Files{V4: files.DHCP4, V6: files.DHCP6, RA: files.RA}.Sockets()
	if err != nil {
		return err
	}
	s.sockets = append(s.sockets, sockets)
	v4, v6, ra := dhcp.Network{
		Address4: made.Guest4, Gateway4: made.Gateway4, Address6: made.Guest6, Prefix6: made.Prefix6,
		GatewayMAC: gateway, MTU: made.MTU,
	}.Leases(lease)
	own, err := dhcp.NewServers(sockets, v4, v6, ra, log)
	if err != nil {
		return err
	}
	s.all = append(s.all, own)
	return nil
}

// serve serves until ctx ends. When a server fails, the guest goes on without any.
func (s *servers) serve(ctx context.Context, log *slog.Logger) {
	group, ctx := errgroup.WithContext(ctx)
	for _, each := range s.all {
		group.Go(func() error { return each.Serve(ctx) })
	}
	if err := group.Wait(); err != nil {
		log.Error("the guest gets no addresses any more", "error", err)
	}
}

func (s *servers) close() {
	for _, each := range s.sockets {
		each.Close()
	}
}

func descriptors(files []*os.File) []int {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	return fds
}

// resolver finds the pod's name servers and search domains. A server on the pod's own loopback is out of a guest's reach.
func (l *launcher) resolver() (servers []netip.Addr, search []string, err error) {
	file, err := os.Open(l.path(resolvConf))
	if err != nil {
		return nil, nil, fmt.Errorf("find the pod's name servers: %w", err)
	}
	defer file.Close()
	servers, search = dhcp.ParseResolvConf(file)
	servers = slices.DeleteFunc(servers, netip.Addr.IsLoopback)
	if len(servers) == 0 {
		servers = []netip.Addr{dhcp.FallbackDNS}
	}
	return servers, search, nil
}
