// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// Operations of RFC 826.
const (
	arpRequest = 1
	arpReply   = 2
	arpOffset  = ipOffset
	arpSize    = 28
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

type station struct {
	mac     net.HardwareAddr
	address netip.Addr
}

// arp is a frame with its virtio_net_hdr, from one station to another.
func arp(operation uint16, from, to net.HardwareAddr, source, target netip.Addr) []byte {
	packet := make([]byte, vnetHeader+arpOffset+arpSize)
	frame := packet[vnetHeader:]
	copy(frame, to)
	copy(frame[6:], from)
	binary.BigEndian.PutUint16(frame[12:], etherTypeARP)
	a := frame[arpOffset:]
	copy(a, []byte{0, 1, etherTypeIPv4 >> 8, etherTypeIPv4 & 0xff, 6, 4})
	binary.BigEndian.PutUint16(a[6:], operation)
	copy(a[8:], from)
	copy(a[14:], source.AsSlice())
	if operation == arpReply {
		copy(a[18:], to)
	}
	copy(a[24:], target.AsSlice())
	return packet
}

// parseARP says which address a request asks for, and who asks; the address is invalid where it is no request.
func parseARP(frame []byte) (question netip.Addr, asker station) {
	if len(frame) < arpOffset+arpSize {
		return question, asker
	}
	a := frame[arpOffset:]
	if binary.BigEndian.Uint16(a[6:]) != arpRequest {
		return question, asker
	}
	return netip.AddrFrom4([4]byte(a[24:28])),
		station{net.HardwareAddr(a[8:14]), netip.AddrFrom4([4]byte(a[14:18]))}
}
