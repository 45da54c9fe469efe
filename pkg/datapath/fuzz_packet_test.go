// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// What a fuzzed frame finds, as bits.
const (
	fuzzPorts     = 1 << iota // ports are declared
	fuzzCollision             // the other side uses the same port already
	fuzzLoopback              // a pod process talks to the guest over loopback
	fuzzOurs                  // the frame is given MACs, addresses and lengths that get it past the guards
	fuzzModes
)

// FuzzTapIn gives any frame to the program that takes the guest's, and judges by a second reading what it makes of it.
func FuzzTapIn(fuzz *testing.F) {
	for _, seed := range fuzzSeeds(fuzz, func(f addressFamily) (src, dst []netip.Addr) {
		return []netip.Addr{f.guest}, []netip.Addr{f.remote, f.gateway, f.pod}
	}) {
		fuzz.Add(ethernet(guestMAC, GatewayMAC, seed.etherType, seed.packet), seed.mode)
	}
	for _, frame := range stackPackets(fuzz) {
		fuzz.Add(frame, byte(0))
	}
	open := fuzzOpen(fuzz)
	fuzz.Fuzz(func(t *testing.T, frame []byte, mode byte) {
		v, runs := fuzzFrame(frame)
		if !runs {
			return
		}
		f := familyOfVersion(v.v6)
		if mode&fuzzOurs != 0 && v.ip != 0 {
			v = v.addressed(GatewayMAC, guestMAC, f.guest, v.dst(), [2]netip.Addr{v.dst(), f.guest})
		}
		r := newRig(t, fuzzRig)
		r.prepare(t, mode, open, v, func(v reading) {
			if v.ok && !v.later && v.src() == f.guest && v.dst() != f.pod {
				as := reading{frame: slices.Clone(v.frame), ip: v.ip, v6: v.v6}
				as.setAddresses(f.pod, v.dst())
				copy(as.frame[:12], slices.Concat(nodeMAC, podMAC))
				r.feed(t, r.TapirNicOut, as.frame, skbContext{})
			}
		})
		res := r.feed(t, r.TapirTapIn, v.frame, skbContext{})
		j := judge{res, v, f, mode&fuzzCollision != 0}
		switch res.verdict {
		case verdictPass:
			j.unchanged()
			if v.ok && v.src() == f.guest && f.isOutside(v.dst()) {
				j.fail("the guest's packet to %s went to the pod's stack", v.dst())
			}
		case verdictDrop:
			if len(res.drops) != 1 {
				j.fail("dropped with reasons %v", res.drops)
			}
			if j.wellFormed() && f.isOutside(v.dst()) && mode&fuzzCollision == 0 {
				j.fail("a good packet was dropped: %v", res.drops)
			}
		case rigNIC:
			j.translated(f.guest, f.pod, v.dst(), v.dst(), true)
			if !f.isOutside(v.dst()) {
				j.fail("a packet to %s went outside", v.dst())
			}
		case rigTap:
			if len(res.drops) == 1 {
				j.replied(f.gateway)
				break
			}
			j.translated(f.guest, f.pod, f.pod, f.guest, true)
		case rigLo:
			if mode&fuzzLoopback == 0 {
				j.fail("an answer to nobody went to loopback")
			}
			j.translated(f.guest, f.loopback, f.gateway, f.loopback, false)
		default:
			j.fail("%s", res.verdict)
		}
	})
}

// FuzzNicIn does the same for frames from outside.
func FuzzNicIn(fuzz *testing.F) {
	for _, seed := range fuzzSeeds(fuzz, func(f addressFamily) (src, dst []netip.Addr) {
		return []netip.Addr{f.remote, f.guest}, []netip.Addr{f.pod, f.guest}
	}) {
		fuzz.Add(ethernet(nodeMAC, podMAC, seed.etherType, seed.packet), seed.mode)
	}
	open := fuzzOpen(fuzz)
	fuzz.Fuzz(func(t *testing.T, frame []byte, mode byte) {
		v, runs := fuzzFrame(frame)
		if !runs {
			return
		}
		f := familyOfVersion(v.v6)
		if mode&fuzzOurs != 0 && v.ip != 0 {
			v = v.addressed(podMAC, nodeMAC, v.src(), f.pod, [2]netip.Addr{f.pod, v.src()})
		}
		r := newRig(t, fuzzRig)
		r.prepare(t, mode, open, v, func(v reading) {
			if !v.ok || v.later || v.dst() != f.pod || !f.isOutside(v.src()) {
				return
			}
			for side := range 2 { // both have sent to this remote end from this port
				as := reading{frame: slices.Clone(v.frame), ip: v.ip, v6: v.v6, l4: v.l4, proto: v.proto}
				own, prog := f.guest, r.TapirTapIn
				copy(as.frame[:12], slices.Concat(GatewayMAC, guestMAC))
				if side == 1 {
					own, prog = f.pod, r.TapirNicOut
				}
				as.setAddresses(own, v.src())
				if at := as.portAt(false); at != 0 && !v.isICMP() {
					copy(as.frame[at:], slices.Concat(v.frame[at+2:at+4], v.frame[at:at+2]))
				}
				r.feed(t, prog, as.frame, skbContext{})
			}
		})
		res := r.feed(t, r.TapirNicIn, v.frame, skbContext{})
		j := judge{res, v, f, mode&fuzzCollision != 0}
		switch res.verdict {
		case verdictPass:
			switch {
			case res.counters.FragmentsEarly != 0:
				j.sameButForTTL()
			case mode&fuzzCollision != 0 && !bytes.Equal(res.in, res.out): // the pod's port was changed on its way out
				j.translated(v.src(), v.src(), f.pod, f.pod, false)
			default:
				j.unchanged()
			}
		case verdictDrop:
			if len(res.drops) != 1 {
				j.fail("dropped with reasons %v", res.drops)
			}
		case rigNIC:
			j.replied(f.pod)
		case rigTap:
			j.translated(v.src(), v.src(), f.pod, f.guest, true)
			if f.prefix.Contains(v.src()) {
				j.fail("a packet from %s reached the guest", v.src())
			}
		default:
			j.fail("%s", res.verdict)
		}
	})
}

// fuzzRig is used by the fuzz tests alone, whose ports stay in their bank.
var fuzzRig = rigConfig{flows: 1024}

// fuzzOpen declares ports, and returns the settings that make them valid: writing them all takes longer than a test.
func fuzzOpen(t testing.TB) (open masqueradeSettings) {
	t.Helper()
	r := newRig(t, fuzzRig)
	r.set(t, declared, nil)
	if err := r.Settings.Lookup(uint32(0), &open); err != nil {
		t.Fatal(err)
	}
	return open
}

// prepare sets up what a mode says; collide makes the other side a user of the frame's tuple.
func (r *rig) prepare(t *testing.T, mode byte, open masqueradeSettings, v reading, collide func(reading)) {
	t.Helper()
	if mode&fuzzPorts != 0 {
		put(t, r.Settings, 0, open)
	}
	if mode&fuzzLoopback != 0 {
		for _, f := range families() {
			r.loOut(t, fromProcess(f, tcpSYN, 40000, 8080))
			r.loOut(t, fromProcess(f, udp, 40000, 5353))
		}
	}
	if mode&fuzzCollision != 0 {
		collide(v)
	}
}

// fuzzFrame says what a frame is, and whether a test run takes it.
func fuzzFrame(frame []byte) (v reading, runs bool) {
	if len(frame) < atIP || len(frame) > 2000 {
		return v, false
	}
	switch etherType := layers.EthernetType(reading{frame: frame}.word(12)); etherType {
	case layers.EthernetTypeIPv4:
		return lookAt(frame, atIP, false, false), len(frame) >= atIP+20
	case layers.EthernetTypeIPv6:
		return lookAt(frame, atIP, true, false), len(frame) >= atIP+40
	}
	return reading{frame: frame}, true
}

// addressed is the same frame with other MACs and addresses, also in what an ICMP error quotes, and true lengths.
func (v reading) addressed(to, from net.HardwareAddr, src, dst netip.Addr, quoted [2]netip.Addr) reading {
	frame := slices.Clone(v.frame)
	copy(frame, slices.Concat(to, from))
	size := len(frame) - atIP
	if v.v6 {
		binary.BigEndian.PutUint16(frame[atIP+4:], uint16(size-40))
	} else {
		binary.BigEndian.PutUint16(frame[atIP+2:], uint16(size))
	}
	v = lookAt(frame, atIP, v.v6, false)
	v.setAddresses(src, dst)
	if v.ok && v.isError() {
		if q := v.quoted(); q.ok {
			q.setAddresses(quoted[0], quoted[1])
		}
	}
	return v
}

type fuzzSeed struct {
	etherType layers.EthernetType
	packet    []byte
	mode      byte
}

// fuzzSeeds are packets of every kind that the tables have.
func fuzzSeeds(t testing.TB, ends func(addressFamily) (src, dst []netip.Addr)) (seeds []fuzzSeed) {
	t.Helper()
	for _, f := range families() {
		sources, destinations := ends(f)
		add := func(d datagram) {
			seeds = append(seeds, fuzzSeed{etherTypeOf(d.src), d.bytes(t), byte(len(seeds) % fuzzModes)})
		}
		for _, src := range sources {
			for _, dst := range destinations {
				for _, k := range []kind{tcpSYN, tcpACK, tcpRST, udp, udpBare, echo, echoReply, raw(47)} {
					d := packet(k, src, dst, 8080, 40000)
					add(d)
					add(d.lives(1))
					if d.ipv6() {
						d.extensions = []extension{hopByHop, destinationOpts, atomicFragment}
					} else {
						d.options = []layers.IPv4Option{routerAlert}
					}
					add(d)
					for _, piece := range d.fragments(t, 16)[:2] {
						add(piece)
					}
				}
				for _, q := range quotations {
					for _, inner := range [][2]netip.Addr{{f.pod, f.remote}, {f.remote, f.guest}, {f.gateway, f.guest}, {f.pod, f.guest}} {
						d := packet(portUnreachable, src, dst, 0, 0)
						d.data = q.quote(t, packet(q.kind, inner[0], inner[1], q.sport, q.dport))
						add(d)
					}
				}
			}
		}
	}
	return seeds
}
