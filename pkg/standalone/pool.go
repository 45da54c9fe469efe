// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// nth is the address at an index of a pool. The index fits the pool's host bits.
func nth(pool netip.Prefix, index uint64) netip.Addr {
	bytes := pool.Addr().As16()
	low := binary.BigEndian.Uint64(bytes[8:])
	binary.BigEndian.PutUint64(bytes[8:], low+index)
	address := netip.AddrFrom16(bytes)
	if pool.Addr().Is4() {
		return address.Unmap()
	}
	return address
}

// gateway is the address that every host end of the pool's pods carries.
func gateway(pool netip.Prefix) netip.Addr { return nth(pool, 1) }

// allocate picks the first free pair of addresses from where the pod's name points. Index 0 is the pool's
// network (in IPv6: the subnet-router anycast address), 1 its gateway, and the last of an IPv4 pool its
// broadcast address.
func allocate(cfg Config, taken []*Pod) (v4, v6 netip.Addr, err error) {
	used := map[netip.Addr]bool{}
	for _, p := range taken {
		for _, address := range []netip.Addr{p.Address4, p.Address6, p.Gateway4, p.Gateway6} {
			used[address] = true
		}
	}
	const first = 2
	bits := min(32-cfg.Pool4.Bits(), 128-cfg.Pool6.Bits())
	count := uint64(1)<<bits - first - 1
	sum := digest(cfg.Namespace, cfg.Name)
	start := binary.BigEndian.Uint64(sum[:]) % count
	// One more pod than there are occupied addresses always finds a free one, if there is any.
	for i := range min(count, uint64(2*len(used)+1)) {
		index := first + (start+i)%count
		v4, v6 = nth(cfg.Pool4, index), nth(cfg.Pool6, index)
		if !used[v4] && !used[v6] {
			return v4, v6, nil
		}
	}
	return v4, v6, fmt.Errorf("pod pool %s with %s is used up: "+
		"stop a VM, or take larger pools (tapir run --pod-cidr, --pod-cidr6)", cfg.Pool4, cfg.Pool6)
}

// checkPool refuses a pool in which the host reaches something some other way, itself included. A route to more
// than the pool is no reason: the routes to pods are more specific.
func checkPool(pool netip.Prefix, pods []*Pod) error {
	ours := map[int]bool{}
	for _, p := range pods {
		if link, err := netlinksafe.LinkByName(p.HostNIC); err == nil {
			ours[link.Attrs().Index] = true
		}
	}
	family := unix.AF_INET
	if pool.Addr().Is6() {
		family = unix.AF_INET6
	}
	all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	routes, err := netlinksafe.RouteListFiltered(family, all, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list the host's routes: %w", err)
	}
	for _, route := range routes {
		to := prefix(route.Dst)
		if ours[route.LinkIndex] || !to.IsValid() || to.Bits() < pool.Bits() || !to.Overlaps(pool) {
			continue
		}
		where := ""
		if link, err := netlink.LinkByIndex(route.LinkIndex); err == nil {
			where = " dev " + link.Attrs().Name
		}
		return fmt.Errorf("pod pool %s overlaps the host's route to %s%s: "+
			"take another pool (tapir run --pod-cidr, --pod-cidr6)", pool, to, where)
	}
	return nil
}
