// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/containernetworking/plugins/pkg/ns"
)

// Sockets are what the servers of one NIC serve from; nil where a server isn't wanted.
type Sockets struct {
	V4 net.PacketConn // UDP port 67
	V6 net.PacketConn // UDP port 547
	RA net.PacketConn // raw ICMPv6
}

// Close closes all sockets.
func (s Sockets) Close() error {
	var errs []error
	for _, conn := range []net.PacketConn{s.V4, s.V6, s.RA} {
		if conn != nil {
			errs = append(errs, conn.Close())
		}
	}
	return errors.Join(errs...)
}

// Files are Sockets as descriptors, in which form they pass to another process. That process needs no
// privilege to serve from them, and can't turn them to another device: only a privileged one may change what a
// socket is bound to.
type Files struct {
	V4, V6, RA *os.File
}

// Close closes all descriptors.
func (f Files) Close() error {
	var errs []error
	for _, file := range []*os.File{f.V4, f.V6, f.RA} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// Sockets makes sockets of the descriptors, and closes these whether it succeeds or not.
func (f Files) Sockets() (Sockets, error) {
	defer f.Close()
	var s Sockets
	for _, each := range []struct {
		file *os.File
		conn *net.PacketConn
	}{{f.V4, &s.V4}, {f.V6, &s.V6}, {f.RA, &s.RA}} {
		if each.file == nil {
			continue
		}
		conn, err := net.FilePacketConn(each.file)
		if err != nil {
			s.Close()
			return Sockets{}, fmt.Errorf("using descriptor %s as a socket: %w", each.file.Name(), err)
		}
		*each.conn = conn
	}
	return s, nil
}

// Open opens the sockets for the wanted families on a device in the network namespace at path netns, or in the
// calling thread's where netns is empty. It needs CAP_NET_RAW and CAP_NET_BIND_SERVICE there, and CAP_SYS_ADMIN to enter.
func Open(netns, device string, v4, v6 bool) (Files, error) {
	var files Files
	open := func(ns.NetNS) (err error) {
		files, err = openHere(device, v4, v6)
		return err
	}
	enter := func() error { return ns.WithNetNSPath(netns, open) }
	if netns == "" {
		enter = func() error { return open(nil) }
	}
	if err := enter(); err != nil {
		return Files{}, fmt.Errorf("opening DHCP sockets on %s: %w", device, err)
	}
	return files, nil
}

func openHere(device string, v4, v6 bool) (files Files, err error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return Files{}, err
	}
	defer func() {
		if err != nil {
			files.Close()
		}
	}()
	if v4 {
		if files.V4, err = openUDP4(link); err != nil {
			return files, err
		}
	}
	if v6 {
		if files.V6, err = openUDP6(link); err != nil {
			return files, err
		}
		if files.RA, err = openICMP6(link); err != nil {
			return files, err
		}
	}
	return files, nil
}
