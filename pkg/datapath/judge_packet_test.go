// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
)

// judge compares what a program made of a frame with what it may.
type judge struct {
	result
	v        reading
	f        addressFamily
	collides bool // ports may be changed
}

func (j judge) fail(format string, args ...any) {
	j.t.Helper()
	j.t.Errorf(format, args...)
	j.t.Fatalf("frame in\n%s%s\nframe out\n%s", hex.Dump(j.in), j.verdict, hex.Dump(j.out))
}

func (j judge) unchanged() {
	j.t.Helper()
	if !bytes.Equal(j.in, j.out) {
		j.fail("a packet for the pod's stack was changed")
	}
}

// wellFormed says whether a router must send the guest's packet on.
func (j judge) wellFormed() bool {
	v := j.v
	return v.ok && v.src() == j.f.guest && v.frame[v.ttlAt()] > 1 && len(v.frame) <= atIP+testAddresses(true, true).MTU && !v.isError() &&
		v.crosses() && bytes.Equal(v.frame[:12], slices.Concat(GatewayMAC, guestMAC))
}

// translated checks that addresses were changed as given, the TTL counted down, and all else kept, also in what an
// ICMP error quotes: there the same change is undone. Checksums are valid if they were.
func (j judge) translated(src, newSrc, dst, newDst netip.Addr, hop bool) {
	j.t.Helper()
	v := j.v
	if !v.ok || v.src() != src || v.dst() != dst {
		j.fail("translated a packet from %s to %s", v.src(), v.dst())
	}
	if len(j.out) != len(j.in) {
		j.fail("translated %d bytes to %d", len(j.in), len(j.out))
	}
	want := lookAt(slices.Clone(v.frame), v.ip, v.v6, false)
	copy(want.frame[:12], j.out[:12]) // MACs are the tables' business
	want.setAddresses(newSrc, newDst)
	if hop {
		want.frame[want.ttlAt()]--
	}
	out := lookAt(j.out, v.ip, v.v6, false)
	j.samePort(want, out, newDst != dst || newSrc == src)
	if v.isError() {
		q, qOut := want.quoted(), out.quoted()
		if !q.ok {
			j.fail("translated an error that quotes nothing")
		}
		qSrc, qDst := q.src(), q.dst()
		if qSrc == dst {
			qSrc = newDst
		}
		if qDst == src {
			qDst = newSrc
		}
		residues := q.residues()
		q.setAddresses(qSrc, qDst)
		j.samePort(q, qOut, newSrc != src)
		if q.checksumAt() != 0 && !slices.Equal(residues, qOut.residues()) {
			j.fail("the quoted checksums were off by %x, are by %x", residues, qOut.residues())
		}
	}
	if !bytes.Equal(want.withoutChecksums(), out.withoutChecksums()) {
		j.t.Errorf("want (but for checksums)\n%s", hex.Dump(want.frame))
		j.fail("more was changed than had to be")
	}
	if !slices.Equal(v.residues(), out.residues()) {
		j.fail("the checksums were off by %x, are by %x", v.residues(), out.residues())
	}
}

// samePort takes over a changed port where one may be.
func (j judge) samePort(want, out reading, destination bool) {
	if at := want.portAt(destination); at != 0 && j.collides && out.ok {
		copy(want.frame[at:at+2], out.frame[at:at+2])
	}
}

func (j judge) sameButForTTL() {
	j.t.Helper()
	want := slices.Clone(j.in)
	copy(want, j.out[:12])
	want[j.v.ttlAt()]--
	out := reading{frame: j.out, ip: j.v.ip, v6: j.v.v6}
	if !j.v.v6 {
		copy(want[j.v.ip+10:], j.out[j.v.ip+10:j.v.ip+12])
	}
	if !j.v.later || !bytes.Equal(want, j.out) || !slices.Equal(out.residues(), reading{frame: j.in, ip: j.v.ip, v6: j.v.v6}.residues()) {
		j.fail("an early fragment was changed")
	}
}

// replied checks an ICMP error that was made of the frame: valid, to its sender, quoting it.
func (j judge) replied(from netip.Addr) {
	j.t.Helper()
	out := lookAt(j.out, j.v.ip, j.v.v6, false)
	if !out.ok || !out.isError() || out.src() != from || out.dst() != j.v.src() || j.v.isError() || j.v.later {
		j.fail("a bad ICMP error")
	}
	quoted := j.out[out.l4+8:]
	if !bytes.Equal(quoted, j.in[atIP:min(len(j.in), atIP+128)]) {
		j.fail("the quotation is wrong")
	}
	if !out.valid() {
		j.fail("the ICMP error's checksums are wrong")
	}
}

func familyOfVersion(v6 bool) addressFamily {
	if v6 {
		return families()["IPv6"]
	}
	return families()["IPv4"]
}

func (f addressFamily) isOutside(a netip.Addr) bool {
	return !a.IsMulticast() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified() && a != f.pod &&
		!f.prefix.Contains(a) && (a.Is6() || a.As4()[0] != 0 && a.As4() != [4]byte{255, 255, 255, 255})
}
