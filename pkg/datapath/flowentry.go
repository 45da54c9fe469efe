// SPDX-License-Identifier: Apache-2.0

package datapath

import "golang.org/x/sys/unix"

// How an entry of the flow table packs what it says: bpf/table.h, and struct flow in bpf/types.h.
const (
	tupleWirePort = 16
	tuplePort     = 32
	tupleSide     = 48
	tupleClass    = 50
	tupleIPv6     = 52
	tupleUsed     = 1 << 55
	tupleEpoch    = 56
	bytesBits     = 56 // what is above counts on from packets
)

func (f *masqueradeFlow) used() bool           { return f.Tuple&tupleUsed != 0 }
func (f *masqueradeFlow) side() masqueradeSide { return masqueradeSide(f.Tuple >> tupleSide & 3) }
func (f *masqueradeFlow) class() uint8         { return uint8(f.Tuple >> tupleClass & (masqueradeClasses - 1)) }
func (f *masqueradeFlow) ipv6() bool           { return f.Tuple>>tupleIPv6&1 != 0 }
func (f *masqueradeFlow) port() uint16         { return hostOrder(uint16(f.Tuple >> tuplePort)) }
func (f *masqueradeFlow) wirePort() uint16     { return hostOrder(uint16(f.Tuple >> tupleWirePort)) }
func (f *masqueradeFlow) remotePort() uint16   { return hostOrder(uint16(f.Tuple)) }

// proto is the protocol's number: other protocols than those with ports of their own have it in the place of ports.
func (f *masqueradeFlow) proto() uint8 {
	switch class := f.class(); {
	case class == classTCP:
		return unix.IPPROTO_TCP
	case class == classUDP:
		return unix.IPPROTO_UDP
	case class == classICMP && f.ipv6():
		return unix.IPPROTO_ICMPV6
	case class == classICMP:
		return unix.IPPROTO_ICMP
	}
	return uint8(f.wirePort())
}

func (f *masqueradeFlow) counted(dir masqueradeDirection) (packets, bytes uint64) {
	return uint64(f.Packets[dir]) | f.Bytes[dir]>>bytesBits<<32, f.Bytes[dir] & (1<<bytesBits - 1)
}
