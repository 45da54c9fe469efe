// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Oversized counts the frames that a link sends or receives which are longer than its MTU allows and yet not
// marked as segmentation offload: frames that no NIC is made for. It counts until the test ends.
func (n *Namespace) Oversized(t testing.TB, link string) *atomic.Int64 {
	t.Helper()
	var mtu int
	socket, err := Run(n, func() (*os.File, error) {
		l, err := net.InterfaceByName(link)
		if err != nil {
			return nil, err
		}
		mtu = l.MTU
		return packetSocket(l.Index)
	})
	if err != nil {
		t.Fatalf("watching the frames of %s: %v", link, err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := longerThan(socket, mtu+ethernetHeader); err != nil {
		t.Fatalf("filtering the frames of %s: %v", link, err)
	}

	count := new(atomic.Int64)
	go func() {
		// struct virtio_net_hdr: flags, gso_type, …
		header := make([]byte, 10)
		for {
			if _, err := socket.Read(header); err != nil {
				return // closed
			}
			if header[1] == unix.VIRTIO_NET_HDR_GSO_NONE {
				count.Add(1)
			}
		}
	}()
	return count
}

const ethernetHeader = 14

// packetSocket sees every frame of a link, with its virtio_net_hdr.
func packetSocket(index int) (*os.File, error) {
	everything := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "packet")
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		socket.Close()
		return nil, fmt.Errorf("asking for virtio_net_hdr: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}); err != nil {
		socket.Close()
		return nil, fmt.Errorf("binding a packet socket: %w", err)
	}
	return socket, nil
}

// longerThan lets only frames of more than so many bytes through to a packet socket.
func longerThan(socket *os.File, size int) error {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(size), SkipFalse: 1},
		bpf.RetConstant{Val: uint32(size)},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		filter[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	return control(raw, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
			Len:    uint16(len(filter)),
			Filter: &filter[0],
		})
	})
}
