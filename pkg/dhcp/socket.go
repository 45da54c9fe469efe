// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

var (
	allServers = netip.MustParseAddr("ff02::1:2") // All_DHCP_Relay_Agents_and_Servers
	allRouters = netip.MustParseAddr("ff02::2")
)

// A step is one thing to do to a new socket, with its name for an error.
type step struct {
	name string
	do   func(fd int) error
}

func openUDP4(link *net.Interface) (*os.File, error) {
	return open("dhcpv4", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP,
		bindTo(link),
		set("reuse of the address", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		set("broadcast", unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
		// Clients that read raw frames would see the half-made checksum that a NIC with offload completes, and
		// drop the reply. IPv4 allows none at all.
		set("no checksum", unix.SOL_SOCKET, unix.SO_NO_CHECK, 1),
		step{"port 67", func(fd int) error {
			return unix.Bind(fd, &unix.SockaddrInet4{Port: dhcpv4.ServerPort})
		}},
	)
}

func openUDP6(link *net.Interface) (*os.File, error) {
	return open("dhcpv6", unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP,
		bindTo(link),
		set("reuse of the address", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		set("IPv6 only", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1),
		step{"port 547", func(fd int) error {
			return unix.Bind(fd, &unix.SockaddrInet6{Port: dhcpv6.DefaultServerPort})
		}},
		join(link, allServers),
	)
}

func openICMP6(link *net.Interface) (*os.File, error) {
	return open("ra", unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6,
		bindTo(link),
		step{"filter for router solicitations", func(fd int) error {
			filter := &unix.ICMPv6Filter{}
			for i := range filter.Data {
				filter.Data[i] = ^uint32(0) // a set bit blocks its type
			}
			t := int(ipv6.ICMPTypeRouterSolicitation)
			filter.Data[t/32] &^= 1 << (t % 32)
			return unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, filter)
		}},
		join(link, allRouters),
	)
}

// open makes a socket, does all steps to it, and leaves none open on failure.
func open(name string, family, kind, protocol int, steps ...step) (*os.File, error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("opening the %s socket: %w", name, err)
	}
	for _, s := range steps {
		if err := s.do(fd); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("setting %s on the %s socket: %w", s.name, name, err)
		}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// bindTo ties a socket to a device for good: an unprivileged process can't change it.
func bindTo(link *net.Interface) step {
	return step{"device " + link.Name, func(fd int) error { return unix.BindToDevice(fd, link.Name) }}
}

func set(name string, level, option, value int) step {
	return step{name, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) }}
}

func join(link *net.Interface, group netip.Addr) step {
	return step{"group " + group.String(), func(fd int) error {
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(link.Index)})
	}}
}
