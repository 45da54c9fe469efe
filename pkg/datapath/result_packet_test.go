// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/gopacket/gopacket/layers"
)

// podMAC is that of lo, the device of a test run: a frame for another is not the host's.
var podMAC = make(net.HardwareAddr, 6)

// result is what a program did with one frame.
type result struct {
	t        testing.TB
	in, out  []byte
	verdict  verdict
	counters Counters
	drops    []Drop
	receive  bool // the program's packets go into the guest
	short    bool // an XDP program took it
}

func (r *rig) feed(t testing.TB, prog *ebpf.Program, in []byte, ctx skbContext) result {
	t.Helper()
	short := r.shortCut(t, prog, in, ctx)
	r.resetCounters(t)
	res := result{t: t, in: in, short: short, receive: prog == r.TapirNicIn || prog == r.TapirLoOut}
	res.verdict, res.out = exec(t, prog, in, ctx)
	var err error
	if res.counters, err = r.nic().Counters(); err != nil {
		t.Fatal(err)
	}
	if res.drops, err = r.nic().Drops(); err != nil {
		t.Fatal(err)
	}
	return res
}

// tapIn lets the guest send a packet to its gateway.
func (r *rig) tapIn(t testing.TB, d datagram) result {
	t.Helper()
	return r.feed(t, r.TapirTapIn, framed(t, guestMAC, GatewayMAC, d), skbContext{})
}

// nicIn lets a packet arrive at the pod NIC.
func (r *rig) nicIn(t testing.TB, d datagram) result {
	t.Helper()
	return r.feed(t, r.TapirNicIn, framed(t, nodeMAC, podMAC, d), skbContext{})
}

// nicOut lets the pod's stack send a packet by the pod NIC.
func (r *rig) nicOut(t testing.TB, d datagram) result {
	t.Helper()
	return r.feed(t, r.TapirNicOut, framed(t, podMAC, nodeMAC, d), skbContext{})
}

// loOut lets a pod process write to loopback.
func (r *rig) loOut(t testing.TB, d datagram) result {
	t.Helper()
	return r.feed(t, r.TapirLoOut, framed(t, podMAC, podMAC, d), skbContext{})
}

func framed(t testing.TB, src, dst net.HardwareAddr, d datagram) []byte {
	t.Helper()
	return ethernet(src, dst, etherTypeOf(d.src), d.bytes(t))
}

// ethernet puts a header before a packet. Short frames stay short, as a tap's do.
func ethernet(src, dst net.HardwareAddr, etherType layers.EthernetType, packet []byte) []byte {
	return slices.Concat(dst, src, binary.BigEndian.AppendUint16(nil, uint16(etherType)), packet)
}

// toOutside checks that the packet left for the pod NIC as d. The kernel fills in the MACs.
func (res result) toOutside(d datagram) {
	res.t.Helper()
	res.expect(rigNIC, framed(res.t, guestMAC, GatewayMAC, d), Counters{Transmit: Traffic{1, uint64(len(res.in))}})
}

// toGuest checks that the packet was sent to the guest as d.
func (res result) toGuest(d datagram) {
	res.t.Helper()
	n := Traffic{1, uint64(len(res.in))}
	want := Counters{Receive: n}
	if !res.receive { // hairpin
		want.Transmit = n
	}
	res.expect(rigTap, framed(res.t, GatewayMAC, guestMAC, d), want)
}

// toLoopback checks that the packet was sent to the pod process that uses loopback.
func (res result) toLoopback(d datagram) {
	res.t.Helper()
	res.expect(rigLo, framed(res.t, podMAC, podMAC, d), Counters{Transmit: Traffic{1, uint64(len(res.in))}})
}

// passes checks that the packet goes on untouched.
func (res result) passes() {
	res.t.Helper()
	res.expect(verdictPass, res.in, Counters{})
}

// passesAs checks that the packet goes on as d.
func (res result) passesAs(d datagram) {
	res.t.Helper()
	res.expect(verdictPass, append(slices.Clone(res.in[:14]), d.bytes(res.t)...), Counters{})
}

// isDropped checks that the packet went nowhere and why.
func (res result) isDropped(reason masqueradeDropReason) {
	res.t.Helper()
	res.expectDrop(reason)
	if res.verdict != verdictDrop || res.counters.Receive != (Traffic{}) || res.counters.Transmit != (Traffic{}) {
		res.t.Errorf("%s, counters %+v, want a drop", res.verdict, res.counters)
	}
}

// repliedToGuest checks that the packet was dropped and answered by reply on the tap.
func (res result) repliedToGuest(reason masqueradeDropReason, reply datagram) {
	res.t.Helper()
	res.expectDrop(reason)
	res.drops = nil
	sent := framed(res.t, GatewayMAC, guestMAC, reply)
	res.expect(rigTap, sent, Counters{Receive: Traffic{1, uint64(len(sent))}})
}

// repliedOutside checks that the packet was dropped and answered by reply on the pod NIC.
func (res result) repliedOutside(reason masqueradeDropReason, reply datagram) {
	res.t.Helper()
	res.expectDrop(reason)
	res.drops = nil
	res.expect(rigNIC, framed(res.t, nodeMAC, nodeMAC, reply), Counters{})
}

func (res result) expectDrop(reason masqueradeDropReason) {
	res.t.Helper()
	direction := masqueradeDirectionDIR_TRANSMIT
	if res.receive {
		direction = masqueradeDirectionDIR_RECEIVE
	}
	want := []Drop{{reasonNames[reason], directionNames[direction], 1, uint64(len(res.in))}}
	if !slices.Equal(res.drops, want) {
		res.t.Errorf("drops %v, want %v", res.drops, want)
	}
}

// expect compares everything but events, which tests look at where they are the point.
func (res result) expect(v verdict, wantFrame []byte, want Counters) {
	res.t.Helper()
	got := Counters{Receive: res.counters.Receive, Transmit: res.counters.Transmit}
	if res.verdict != v {
		res.t.Errorf("%s, want %s", res.verdict, v)
	}
	if string(res.out) != string(wantFrame) {
		res.t.Errorf("frame in\n%sframe out\n%swant\n%s", hex.Dump(res.in), hex.Dump(res.out), hex.Dump(wantFrame))
	}
	if got != want {
		res.t.Errorf("counters %+v, want %+v", got, want)
	}
	if len(res.drops) != 0 {
		res.t.Errorf("drops %v, want none", res.drops)
	}
}
