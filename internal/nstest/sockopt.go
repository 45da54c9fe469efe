// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// SetTOS marks what a socket sends: DSCP and ECN bits, the traffic class in IPv6.
func SetTOS(socket syscall.Conn, to netip.Addr, value byte) error {
	if to.Is4() {
		return SetOption(socket, unix.IPPROTO_IP, unix.IP_TOS, int(value))
	}
	return SetOption(socket, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(value))
}

// SetHopLimit limits the routers that what a socket sends may pass.
func SetHopLimit(socket syscall.Conn, to netip.Addr, value byte) error {
	if to.Is4() {
		return SetOption(socket, unix.IPPROTO_IP, unix.IP_TTL, int(value))
	}
	return SetOption(socket, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, int(value))
}

// DontFragment makes a socket send only whole packets (with DF, in IPv4), and learn the path's MTU by that.
func DontFragment(socket syscall.Conn, to netip.Addr) error {
	if to.Is4() {
		return SetOption(socket, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	}
	return SetOption(socket, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO)
}

// SetOption sets an integer option of a socket (setsockopt).
func SetOption(socket syscall.Conn, level, name, value int) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	return control(raw, func(fd int) error { return unix.SetsockoptInt(fd, level, name, value) })
}

// SetOptionString sets an option of a socket whose value is a string of bytes.
func SetOptionString(socket syscall.Conn, level, name int, value string) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	return control(raw, func(fd int) error { return unix.SetsockoptString(fd, level, name, value) })
}

// control runs f on a socket's descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	return errors.Join(err, failed)
}

// network is the name that package net has for a protocol in to's family: tcp4, udp6, …
func network(protocol string, to netip.Addr) string {
	if to.Is4() {
		return protocol + "4"
	}
	return protocol + "6"
}
