// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// datagram describes an IP packet of either family. A test changes a copy of what goes in into what must come out,
// and both are built from scratch, checksums included.
type datagram struct {
	kind         kind
	src, dst     netip.Addr
	sport, dport uint16 // ICMP: the id, in sport for a query, in dport for an answer
	ttl, tos     uint8
	label        uint32 // IPv6
	id           uint16 // of the datagram, for reassembly
	dontFragment bool   // IPv4
	more         bool   // IPv4: not the last fragment
	offset       int    // IPv4: of a fragment
	options      []layers.IPv4Option
	extensions   []extension // IPv6
	data         []byte
}

// kind makes the transport layer.
type kind func(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer)

func (d datagram) ipv6() bool { return d.src.Is6() }

func (d datagram) from(a netip.Addr) datagram { d.src = a; return d }
func (d datagram) to(a netip.Addr) datagram   { d.dst = a; return d }
func (d datagram) ports(sport, dport int) datagram {
	d.sport, d.dport = uint16(sport), uint16(dport)
	return d
}
func (d datagram) as(k kind) datagram          { d.kind = k; return d }
func (d datagram) hop() datagram               { d.ttl--; return d }
func (d datagram) lives(ttl uint8) datagram    { d.ttl = ttl; return d }
func (d datagram) numbered(id uint16) datagram { d.id = id; return d }

// answer is what the receiver sends back.
func (d datagram) answer() datagram {
	d.src, d.dst, d.sport, d.dport = d.dst, d.src, d.dport, d.sport
	return d
}

// bytes builds the packet from its IP header on.
func (d datagram) bytes(t testing.TB) []byte {
	t.Helper()
	proto, parts := d.kind(d)
	var header gopacket.SerializableLayer
	if d.ipv6() {
		next := proto
		for i := len(d.extensions) - 1; i >= 0; i-- {
			parts = append([]gopacket.SerializableLayer{d.extensions[i].layer(next)}, parts...)
			next = d.extensions[i].proto
		}
		header = &layers.IPv6{
			Version: 6, SrcIP: d.src.AsSlice(), DstIP: d.dst.AsSlice(), NextHeader: next, HopLimit: d.ttl,
			TrafficClass: d.tos, FlowLabel: d.label,
		}
	} else {
		v4 := &layers.IPv4{
			Version: 4, SrcIP: d.src.AsSlice(), DstIP: d.dst.AsSlice(), Protocol: proto, TTL: d.ttl,
			TOS: d.tos, Id: d.id, Options: d.options, FragOffset: uint16(d.offset / 8),
		}
		if d.dontFragment {
			v4.Flags |= layers.IPv4DontFragment
		}
		if d.more {
			v4.Flags |= layers.IPv4MoreFragments
		}
		header = v4
	}
	return frame(t, append(append([]gopacket.SerializableLayer{header}, parts...), gopacket.Payload(d.data))...)
}

// fragments cuts the packet into pieces of size bytes, a multiple of 8. Extension headers go into
// the pieces.
func (d datagram) fragments(t testing.TB, size int) (pieces []datagram) {
	t.Helper()
	whole, header := d.bytes(t), 20
	proto := layers.IPProtocol(whole[9])
	if d.ipv6() {
		proto, header = layers.IPProtocol(whole[6]), 40
	}
	for offset := 0; offset < len(whole)-header; offset += size {
		piece, end := d, min(header+offset+size, len(whole))
		piece.kind, piece.data, piece.extensions = raw(proto), whole[header+offset:end], nil
		if d.ipv6() {
			flags := uint16(offset)
			if end < len(whole) {
				flags |= 1
			}
			body := binary.BigEndian.AppendUint16([]byte{0, 0}, flags)
			piece.extensions = []extension{{layers.IPProtocolIPv6Fragment, binary.BigEndian.AppendUint32(body, uint32(d.id))}}
		} else {
			piece.offset, piece.more = offset, end < len(whole)
		}
		pieces = append(pieces, piece)
	}
	return pieces
}

func tcp(flags layers.TCP) kind {
	return func(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer) {
		l := flags
		l.SrcPort, l.DstPort, l.Seq, l.Window = layers.TCPPort(d.sport), layers.TCPPort(d.dport), 0x11223344, 512
		l.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}}}
		return layers.IPProtocolTCP, []gopacket.SerializableLayer{&l}
	}
}

var (
	tcpSYN    = tcp(layers.TCP{SYN: true})
	tcpSYNACK = tcp(layers.TCP{SYN: true, ACK: true, Ack: 7})
	tcpACK    = tcp(layers.TCP{ACK: true, PSH: true, Ack: 7})
	tcpRST    = tcp(layers.TCP{RST: true})
)

func udp(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer) {
	return layers.IPProtocolUDP, []gopacket.SerializableLayer{
		&layers.UDP{SrcPort: layers.UDPPort(d.sport), DstPort: layers.UDPPort(d.dport)}}
}

// udpBare has no checksum.
func udpBare(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer) {
	h := make([]byte, 8)
	binary.BigEndian.PutUint16(h, d.sport)
	binary.BigEndian.PutUint16(h[2:], d.dport)
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)+len(d.data)))
	return layers.IPProtocolUDP, []gopacket.SerializableLayer{gopacket.Payload(h)}
}

// raw is a protocol whose header is nobody's business.
func raw(proto layers.IPProtocol) kind {
	return func(datagram) (layers.IPProtocol, []gopacket.SerializableLayer) { return proto, nil }
}

// icmp4 and icmp6 make messages of one family. The two words after the checksum are the id of a query or an answer
// with a sequence number.
func icmp4(kind, code uint8) kind {
	return func(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer) {
		return layers.IPProtocolICMPv4, []gopacket.SerializableLayer{
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, code), Id: d.sport | d.dport, Seq: 3}}
	}
}

func icmp6(kind, code uint8) kind {
	return func(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer) {
		id := d.sport | d.dport
		return layers.IPProtocolICMPv6, []gopacket.SerializableLayer{
			&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, code)},
			gopacket.Payload{byte(id >> 8), byte(id), 0, 3}}
	}
}

// icmp is the same message in both families.
func icmp(kind4, code4, kind6, code6 uint8) kind {
	return func(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer) {
		if d.ipv6() {
			return icmp6(kind6, code6)(d)
		}
		return icmp4(kind4, code4)(d)
	}
}

var (
	echo      = icmp(8, 0, 128, 0)
	echoReply = icmp(0, 0, 129, 0)
)

// complaint is an ICMP error; its data is the packet that it quotes.
func complaint(kind4, code4, kind6, code6 uint8, word uint32) kind {
	return func(d datagram) (layers.IPProtocol, []gopacket.SerializableLayer) {
		if d.ipv6() {
			return layers.IPProtocolICMPv6, []gopacket.SerializableLayer{
				&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind6, code6)},
				gopacket.Payload(binary.BigEndian.AppendUint32(nil, word))}
		}
		return layers.IPProtocolICMPv4, []gopacket.SerializableLayer{&layers.ICMPv4{
			TypeCode: layers.CreateICMPv4TypeCode(kind4, code4), Id: uint16(word >> 16), Seq: uint16(word)}}
	}
}

var (
	portUnreachable = complaint(3, 3, 1, 4, 0)
	ttlExceeded     = complaint(11, 0, 3, 0, 0)
)

// packetTooBig is "fragmentation needed" in IPv4.
func packetTooBig(mtu uint32) kind { return complaint(3, 4, 2, 0, mtu) }

// extension is an IPv6 extension header; the first byte of its body is filled in.
type extension struct {
	proto layers.IPProtocol
	body  []byte
}

func (e extension) layer(next layers.IPProtocol) gopacket.SerializableLayer {
	body := append([]byte(nil), e.body...)
	body[0] = byte(next)
	return gopacket.Payload(body)
}

var (
	hopByHop        = extension{layers.IPProtocolIPv6HopByHop, []byte{0, 0, 5, 2, 0, 0, 1, 0}} // router alert
	destinationOpts = extension{layers.IPProtocolIPv6Destination, append([]byte{0, 1, 1, 12}, make([]byte, 12)...)}
	routingDone     = extension{layers.IPProtocolIPv6Routing, []byte{0, 0, 253, 0, 0, 0, 0, 0}} // no segments left
	atomicFragment  = extension{layers.IPProtocolIPv6Fragment, []byte{0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef}}
)
