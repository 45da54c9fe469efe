// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/tapir-vm/tapir/bench/lab"
)

const (
	frameSize = 60
	ipOffset  = 14
	udpOffset = ipOffset + 20
	udpLength = frameSize - udpOffset

	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806
	protocolUDP   = 17

	servicePort = 9000 // of the end that isn't varied, guest or pod
	firstPort   = 1024
	portsShift  = 15 // flows of one remote address, as in bpf/traffic.bpf.c
)

var firstRemote = netip.AddrFrom4([4]byte{198, 18, 0, 0})

// remote is the far end of a flow.
func remote(flow int) (address uint32, port uint16) {
	first := firstRemote.As4()
	return binary.BigEndian.Uint32(first[:]) + uint32(flow>>portsShift), uint16(firstPort + flow&(1<<portsShift-1))
}

// newFrame makes a frame of a UDP datagram whose checksums are still zero.
func newFrame(from, to net.HardwareAddr, source, destination netip.Addr, sport, dport uint16) []byte {
	f := make([]byte, frameSize)
	copy(f, to)
	copy(f[6:], from)
	binary.BigEndian.PutUint16(f[12:], etherTypeIPv4)
	ip := f[ipOffset:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], frameSize-ipOffset)
	ip[8], ip[9] = 64, protocolUDP // TTL
	copy(ip[12:], source.AsSlice())
	copy(ip[16:], destination.AsSlice())
	udp := f[udpOffset:]
	binary.BigEndian.PutUint16(udp, sport)
	binary.BigEndian.PutUint16(udp[2:], dport)
	binary.BigEndian.PutUint16(udp[4:], udpLength)
	return f
}

// Frames are a whole packet of the first flow from the guest, and its answer as it comes to the pod.
func Frames(guest lab.Guest) (fromGuest, toPod []byte) {
	_, port := remote(0)
	fromGuest = newFrame(guest.MAC, guest.GatewayMAC, guest.Address.Addr(), firstRemote, servicePort, port)
	toPod = newFrame(lab.PeerMAC, lab.PodMAC, firstRemote, lab.Pod.Addr(), port, servicePort)
	for _, f := range [][]byte{fromGuest, toPod} {
		binary.BigEndian.PutUint16(f[ipOffset+10:], ^fold(ipSum(f)))
		binary.BigEndian.PutUint16(f[udpOffset+6:], ^fold(pseudoSum(f)+sum(f[udpOffset:])))
	}
	return fromGuest, toPod
}

// sum adds up the 16-bit words of b, which has an even length (RFC 1071, not folded).
func sum(b []byte) (s uint32) {
	for i := 0; i < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return s
}

func ipSum(frame []byte) uint32 { return sum(frame[ipOffset:udpOffset]) }

// pseudoSum is that of UDP's pseudo-header (RFC 768).
func pseudoSum(frame []byte) uint32 {
	return sum(frame[ipOffset+12:udpOffset]) + protocolUDP + udpLength
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}
