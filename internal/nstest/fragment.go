// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/net/ipv4"
)

const (
	firstFragment      = 1000 // bytes of the first of two fragments, a multiple of 8
	ipv6FragmentHeader = 44   // RFC 8200, section 4.5
)

// SendReversed sends a UDP datagram in two fragments, the second one first. The payload must be longer
// than the first fragment, 1000 bytes, and no longer than two of them.
func (n *Namespace) SendReversed(from, to netip.AddrPort, id uint16, payload []byte) error {
	datagram, err := udpDatagram(from, to, payload)
	if err != nil {
		return fmt.Errorf("building a UDP datagram: %w", err)
	}
	protocol := syscall.IPPROTO_UDP
	if to.Addr().Is6() {
		protocol = ipv6FragmentHeader
	}
	socket, err := n.listenIP(from.Addr(), protocol)
	if err != nil {
		return err
	}
	defer socket.Close()
	send := sendFragment4
	if to.Addr().Is6() {
		send = sendFragment6
	}
	if err := send(socket, to.Addr(), id, datagram[firstFragment:], firstFragment, false); err != nil {
		return fmt.Errorf("sending the second fragment: %w", err)
	}
	if err := send(socket, to.Addr(), id, datagram[:firstFragment], 0, true); err != nil {
		return fmt.Errorf("sending the first fragment: %w", err)
	}
	return nil
}

// udpDatagram is a UDP header with its checksum, and the payload.
func udpDatagram(from, to netip.AddrPort, payload []byte) ([]byte, error) {
	source, destination := net.IP(from.Addr().AsSlice()), net.IP(to.Addr().AsSlice())
	var ip gopacket.NetworkLayer = &layers.IPv4{SrcIP: source, DstIP: destination, Protocol: layers.IPProtocolUDP}
	if to.Addr().Is6() {
		ip = &layers.IPv6{SrcIP: source, DstIP: destination, NextHeader: layers.IPProtocolUDP}
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(buffer, options, udp, gopacket.Payload(payload))
	return buffer.Bytes(), err
}

func sendFragment4(socket *net.IPConn, to netip.Addr, id uint16, data []byte, offset int, more bool) error {
	raw, err := ipv4.NewRawConn(socket)
	if err != nil {
		return err
	}
	header := &ipv4.Header{
		Version:  ipv4.Version,
		Len:      ipv4.HeaderLen,
		TotalLen: ipv4.HeaderLen + len(data),
		ID:       int(id),
		FragOff:  offset / 8,
		TTL:      64,
		Protocol: syscall.IPPROTO_UDP,
		Dst:      to.AsSlice(),
	}
	if more {
		header.Flags = ipv4.MoreFragments
	}
	return raw.WriteTo(header, data, nil)
}

func sendFragment6(socket *net.IPConn, to netip.Addr, id uint16, data []byte, offset int, more bool) error {
	position := uint16(offset) // in units of 8 bytes, above three flag bits
	if more {
		position |= 1
	}
	header := []byte{syscall.IPPROTO_UDP, 0}
	header = binary.BigEndian.AppendUint16(header, position)
	header = binary.BigEndian.AppendUint32(header, uint32(id))
	return SendIP(socket, to, append(header, data...))
}
