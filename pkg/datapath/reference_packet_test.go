// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// reading is where the fields of an IP packet lie in a frame: a second parser, by which the fuzz tests judge what
// the programs did to frames that nobody thought of.
type reading struct {
	frame  []byte
	ip, l4 int
	v6     bool
	proto  uint8
	later  bool // a fragment without transport header
	ok     bool // can be translated
}

// lookAt reads the packet that starts at offset ip. A quoted one may be cut after 8 bytes of transport header.
func lookAt(frame []byte, ip int, v6, quoted bool) (v reading) {
	v = reading{frame: frame, ip: ip, v6: v6}
	size := 20
	if v6 {
		size = 40
	}
	if len(frame) < ip+size {
		return v
	}
	var length int
	if v6 {
		v.l4, v.proto = ip+40, frame[ip+6]
		length = 40 + v.word(ip+4)
		v.ok = frame[ip]>>4 == 6 && v.extensions()
	} else {
		v.l4, v.proto = ip+int(frame[ip]&15)*4, frame[ip+9]
		length = v.word(ip + 2)
		v.later = v.word(ip+6)&0x1fff != 0
		v.ok = frame[ip]>>4 == 4 && frame[ip]&15 >= 5 && (length == 0 || length >= v.l4-ip)
	}
	if !quoted && length > len(frame)-ip {
		v.ok = false
	}
	if need := v.header(quoted); v.ok && need > 0 && (len(frame) < v.l4+need || v.l4 > 1024) {
		v.ok = false
	}
	return v
}

// extensions follows at most six headers.
func (v *reading) extensions() bool {
	for range 6 {
		if !slices.Contains([]uint8{0, 43, 44, 60}, v.proto) {
			return true
		}
		if len(v.frame) < v.l4+8 {
			return false
		}
		fragment := v.proto == 44
		v.proto = v.frame[v.l4]
		if fragment {
			v.later = v.word(v.l4+2)&0xfff8 != 0
			v.l4 += 8
		} else {
			v.l4 += 8 + 8*int(v.frame[v.l4+1])
		}
		if v.later {
			return true
		}
	}
	return !slices.Contains([]uint8{0, 43, 44, 60}, v.proto)
}

func (v reading) word(at int) int { return int(binary.BigEndian.Uint16(v.frame[at:])) }

func (v reading) isICMP() bool { return !v.later && (v.proto == 1 && !v.v6 || v.proto == 58 && v.v6) }
func (v reading) isTCP() bool  { return !v.later && v.proto == 6 }
func (v reading) isUDP() bool  { return !v.later && v.proto == 17 }

// header is how much of a transport header must be there: 0 where there is none that matters.
func (v reading) header(quoted bool) int {
	switch {
	case v.isTCP() && !quoted:
		return 20
	case v.isTCP(), v.isUDP(), v.isICMP():
		return 8
	}
	return 0
}

// checksumAt is 0 where there is no transport checksum (any more).
func (v reading) checksumAt() int {
	at := 0
	switch {
	case v.isTCP():
		at = v.l4 + 16
	case v.isUDP():
		at = v.l4 + 6
	case v.isICMP():
		at = v.l4 + 2
	}
	if at+2 > len(v.frame) {
		return 0
	}
	return at
}

// portAt is where the port lies that identifies the source's or the destination's side of a flow, 0 when nowhere.
func (v reading) portAt(destination bool) int {
	switch {
	case v.isICMP():
		return v.l4 + 4
	case v.isTCP() || v.isUDP():
		if destination {
			return v.l4 + 2
		}
		return v.l4
	}
	return 0
}

func (v reading) isError() bool {
	if !v.isICMP() {
		return false
	}
	if v.v6 {
		return v.frame[v.l4] >= 1 && v.frame[v.l4] <= 4
	}
	return slices.Contains([]uint8{3, 4, 11, 12}, v.frame[v.l4])
}

// crosses says whether a NAT can send the message on.
func (v reading) crosses() bool {
	if !v.isICMP() || v.isError() {
		return true
	}
	if v.v6 {
		return slices.Contains([]uint8{128, 129}, v.frame[v.l4])
	}
	return slices.Contains([]uint8{0, 8, 13, 14}, v.frame[v.l4])
}

func (v reading) quoted() reading { return lookAt(v.frame, v.l4+8, v.v6, true) }

func (v reading) addresses() (src, dst []byte) {
	if v.v6 {
		return v.frame[v.ip+8 : v.ip+24], v.frame[v.ip+24 : v.ip+40]
	}
	return v.frame[v.ip+12 : v.ip+16], v.frame[v.ip+16 : v.ip+20]
}

func (v reading) src() netip.Addr {
	a, _ := v.addresses()
	addr, _ := netip.AddrFromSlice(a)
	return addr
}
func (v reading) dst() netip.Addr {
	_, a := v.addresses()
	addr, _ := netip.AddrFromSlice(a)
	return addr
}

func (v reading) setAddresses(src, dst netip.Addr) {
	s, d := v.addresses()
	copy(s, src.AsSlice())
	copy(d, dst.AsSlice())
}

func (v reading) ttlAt() int {
	if v.v6 {
		return v.ip + 7
	}
	return v.ip + 8
}

// residues are the ones' complement sums that checksums bring to zero in a valid packet: of the IPv4 header, and of the
// transport with its pseudo-header. Whether valid or not, a translation keeps them. A UDP checksum of 0 is none.
func (v reading) residues() (r []uint16) {
	if !v.v6 {
		r = append(r, onesSum(v.frame[v.ip:min(v.ip+int(v.frame[v.ip]&15)*4, len(v.frame))]))
	}
	if at := v.checksumAt(); at != 0 && !(v.isUDP() && v.word(at) == 0) {
		parts := [][]byte{v.frame[v.l4:]}
		if !v.isICMP() || v.v6 {
			src, dst := v.addresses()
			parts = append(parts, src, dst)
		}
		r = append(r, onesSum(parts...))
	}
	return r
}

// valid says whether all checksums of a packet that fills its frame are right.
func (v reading) valid() bool {
	length := len(v.frame) - v.l4
	r := v.residues()
	if !v.isICMP() || v.v6 {
		last := &r[len(r)-1]
		*last = uint16((uint32(*last) + uint32(v.proto) + uint32(length)) % 0xffff)
	}
	return !slices.ContainsFunc(r, func(sum uint16) bool { return sum != 0 })
}

// onesSum adds up 16-bit words; both zeros of ones' complement are 0. Parts but the first have even lengths.
func onesSum(parts ...[]byte) uint16 {
	var sum uint64
	for _, part := range parts {
		for i := 0; i+1 < len(part); i += 2 {
			sum += uint64(binary.BigEndian.Uint16(part[i:]))
		}
		if len(part)%2 == 1 {
			sum += uint64(part[len(part)-1]) << 8
		}
	}
	return uint16(sum % 0xffff)
}

// withoutChecksums blanks what residues cover.
func (v reading) withoutChecksums() []byte {
	frame := slices.Clone(v.frame)
	blank := func(v reading) {
		if !v.v6 {
			copy(frame[v.ip+10:v.ip+12], []byte{0, 0})
		}
		if at := v.checksumAt(); at != 0 {
			copy(frame[at:at+2], []byte{0, 0})
		}
	}
	blank(v)
	if v.isError() {
		if q := v.quoted(); q.ok {
			blank(q)
		}
	}
	return frame
}
