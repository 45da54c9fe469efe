// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"net/netip"
)

// checksumDifference is what replacing the old addresses by the new ones adds to the ones'-complement sum of a header
// or pseudo-header (RFC 1624), folded to 16 bits, as the words stand in memory.
func checksumDifference(old, new []netip.Addr) uint32 {
	var sum uint64
	add := func(addrs []netip.Addr, flip uint16) {
		for _, a := range addrs {
			raw := a.AsSlice()
			for i := 0; i < len(raw); i += 2 {
				sum += uint64(binary.NativeEndian.Uint16(raw[i:]) ^ flip)
			}
		}
	}
	add(old, 0xffff)
	add(new, 0)
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	if sum == 0xffff { // a zero of the other sign: nothing to do
		return 0
	}
	return uint32(sum)
}
