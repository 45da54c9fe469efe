// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Sighting is what a UDP server saw of a datagram.
type Sighting struct {
	From     netip.AddrPort
	HopLimit byte // TTL in IPv4
	TOS      byte // traffic class in IPv6
}

// sightingSize is the encoded form: 16 bytes of address, port, hop limit, TOS.
const sightingSize = 20

// ServeUDP answers on an address until the test ends: with what it saw of the datagram, and then
// the datagram's payload.
func (n *Namespace) ServeUDP(t testing.TB, at netip.AddrPort) {
	t.Helper()
	server := n.ListenUDP(t, at)
	go func() {
		payload, control := make([]byte, 1<<16), make([]byte, 512)
		for {
			size, controlSize, _, from, err := server.ReadMsgUDPAddrPort(payload, control)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // an ICMP error for an earlier answer
			}
			answer := sighting(from, control[:controlSize])
			// An answer that can't be sent is one that the client doesn't get.
			_, _ = server.WriteToUDPAddrPort(append(answer, payload[:size]...), from)
		}
	}()
}

// ListenUDP binds a UDP socket until the test ends; nobody answers on it.
func (n *Namespace) ListenUDP(t testing.TB, at netip.AddrPort) *net.UDPConn {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error {
			if at.Addr().Is4() {
				return errors.Join(
					unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTTL, 1),
					unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1))
			}
			return errors.Join(
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1))
		})
	}}
	socket, err := Run(n, func() (net.PacketConn, error) {
		return config.ListenPacket(context.Background(), network("udp", at.Addr()), at.String())
	})
	if err != nil {
		t.Fatalf("binding UDP %s: %v", at, err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket.(*net.UDPConn)
}

func sighting(from netip.AddrPort, oob []byte) []byte {
	address := from.Addr().As16()
	answer := binary.BigEndian.AppendUint16(address[:], from.Port())
	var hopLimit, tos byte
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil // a short answer: the client says so
	}
	for _, m := range messages {
		switch [2]int32{m.Header.Level, m.Header.Type} {
		case [2]int32{unix.IPPROTO_IP, unix.IP_TTL}, [2]int32{unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT}:
			hopLimit = m.Data[0]
		case [2]int32{unix.IPPROTO_IP, unix.IP_TOS}, [2]int32{unix.IPPROTO_IPV6, unix.IPV6_TCLASS}:
			tos = m.Data[0]
		}
	}
	return append(answer, hopLimit, tos)
}

// DialUDP connects a UDP socket; local may be zero, or have a zero port. It is the caller's to close.
func (n *Namespace) DialUDP(local, to netip.AddrPort) (*net.UDPConn, error) {
	return Run(n, func() (*net.UDPConn, error) {
		var from *net.UDPAddr
		if local.IsValid() {
			from = net.UDPAddrFromAddrPort(local)
		}
		return net.DialUDP(network("udp", to.Addr()), from, net.UDPAddrFromAddrPort(to))
	})
}

// ExchangeUDP sends payload to ServeUDP and waits for the answer; see [ReceiveUDP].
func ExchangeUDP(client *net.UDPConn, payload []byte) (Sighting, error) {
	if _, err := client.Write(payload); err != nil {
		return Sighting{}, err
	}
	return ReceiveUDP(client, payload)
}

// ReceiveUDP returns what ServeUDP saw of a datagram with this payload, or an error when no answer with
// the same payload comes in time.
func ReceiveUDP(client *net.UDPConn, payload []byte) (Sighting, error) {
	if err := client.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		return Sighting{}, err
	}
	answer := make([]byte, sightingSize+len(payload)+1)
	n, err := client.Read(answer)
	if err != nil {
		return Sighting{}, err
	}
	if n < sightingSize || string(answer[sightingSize:n]) != string(payload) {
		return Sighting{}, fmt.Errorf("an answer of %d bytes that isn't the echo of %d", n, len(payload))
	}
	address := netip.AddrFrom16([16]byte(answer)).Unmap()
	return Sighting{
		From:     netip.AddrPortFrom(address, binary.BigEndian.Uint16(answer[16:])),
		HopLimit: answer[18],
		TOS:      answer[19],
	}, nil
}

// PathMTU is what the namespace's kernel believes of the path to an address, in bytes.
func (n *Namespace) PathMTU(to netip.Addr) (int, error) {
	client, err := n.DialUDP(netip.AddrPort{}, netip.AddrPortFrom(to, 9))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	raw, err := client.SyscallConn()
	if err != nil {
		return 0, err
	}
	var mtu int
	err = control(raw, func(fd int) (err error) {
		if to.Is4() {
			mtu, err = unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
		} else {
			mtu, err = unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU)
		}
		return err
	})
	return mtu, err
}
