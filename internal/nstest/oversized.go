// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"encoding/binary"
	"errors"
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
	socket, err := Run(n, func() (*os.File, error) {
		l, err := net.InterfaceByName(link)
		if err != nil {
			return nil, err
		}
		return packetSocket(l.Index, l.MTU+ethernetHeader)
	})
	if err != nil {
		t.Fatalf("watching the frames of %s: %v", link, err)
	}
	t.Cleanup(func() { socket.Close() })

	count := new(atomic.Int64)
	go func() {
		const (
			virtioHeader = 10 // struct virtio_net_hdr: flags, gso_type, …
			shown        = ethernetHeader + 60
		)
		frame := make([]byte, virtioHeader+shown)
		for {
			n, err := socket.Read(frame)
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if err != nil {
				t.Errorf("watching the frames of %s: %v", link, err)
				return
			}
			if frame[1] == unix.VIRTIO_NET_HDR_GSO_NONE {
				t.Logf("an oversized frame on %s begins with % x", link, frame[virtioHeader:n])
				count.Add(1)
			}
		}
	}()
	return count
}

const ethernetHeader = 14

// packetSocket sees every frame of a link that is longer than so many bytes, with its virtio_net_hdr.
func packetSocket(index, longerThan int) (*os.File, error) {
	// Of no protocol, a socket sees nothing until it is bound: the filter comes first.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "packet")
	if err := configurePacket(fd, index, longerThan); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, nil
}

func configurePacket(fd, index, longerThan int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return fmt.Errorf("asking for virtio_net_hdr: %w", err)
	}
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(longerThan), SkipFalse: 1},
		bpf.RetConstant{Val: uint32(longerThan)},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return fmt.Errorf("assembling a filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		filter[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	attached := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, attached); err != nil {
		return fmt.Errorf("attaching a filter: %w", err)
	}
	everything := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}); err != nil {
		return fmt.Errorf("binding a packet socket: %w", err)
	}
	return nil
}
