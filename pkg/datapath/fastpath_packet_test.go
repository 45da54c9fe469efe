// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// What XDP forwards is what TC would (see shortCut, which all packet tests use). Here: which packets it takes.

// TestPacketShortCut lets packets of flows arrive that the guest has.
func TestPacketShortCut(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		long := make([]byte, 1500)
		tcpData, udpData := packet(tcpACK, f.remote, f.pod, 80, 40000), packet(udp, f.remote, f.pod, 53, 40000)
		for _, sent := range []datagram{tcpData.as(tcpSYN), udpData} {
			ask := sent.answer().from(f.guest)
			r.tapIn(t, ask).toOutside(ask.from(f.pod).hop())
		}
		with := func(d datagram, data []byte) datagram { d.data = data; return d }
		for _, c := range []struct {
			name  string
			d     datagram
			taken bool
		}{
			{"TCP", tcpData, false},
			{"TCP reset", tcpData.as(tcpRST), false},
			{"UDP", udpData, true},
			{"UDP, a byte", with(udpData, long[:1]), true},
			{"UDP, a stride", with(udpData, long[:32-8]), true},
			{"UDP, a stride and three bytes", with(udpData, long[:32-8+3]), true},
			{"UDP, 1400 bytes", with(udpData, long[:1400]), true},
			{"last hop but one", udpData.lives(2), true},
			{"no flow", packet(udp, f.remote, f.pod, 53, 40001), false},
			{"no checksum", udpData.as(udpBare), false},
			{"no hop left", udpData.lives(1), false},
			{"ping", packet(echo, f.remote, f.pod, 7, 0), false},
		} {
			t.Run(c.name, func(t *testing.T) {
				if res := r.nicIn(t, c.d); res.short != c.taken {
					t.Errorf("taken by XDP: %v, want %v (%s)", res.short, c.taken, res.verdict)
				}
			})
		}
		frame := framed(t, nodeMAC, podMAC, udpData)
		for _, c := range []struct {
			name  string
			frame []byte
			taken bool
		}{
			{"padded", append(framed(t, nodeMAC, podMAC, udpData), make([]byte, 18)...), true},
			{"another host's", framed(t, nodeMAC, net.HardwareAddr{2, 0, 0, 0, 0, 9}, udpData), false},
			{"VLAN", append(append(frame[:12:12], 0x81, 0, 0, 5), frame[12:]...), false},
			{"checksum left to the device", pseudoOnly(t, frame, f), false},
			{"padding that isn't summed up", append(framed(t, nodeMAC, podMAC, udpData), 1), false},
			{"tunnel that has its own checksum, and what is inside left to the device", lco(t, f, udpData), false},
		} {
			t.Run(c.name, func(t *testing.T) {
				if res := r.feed(t, r.TapirNicIn, c.frame, skbContext{}); res.short != c.taken {
					t.Errorf("taken by XDP: %v, want %v (%s)", res.short, c.taken, res.verdict)
				}
			})
		}
		t.Run("guest not heard of", func(t *testing.T) {
			put(t, r.Settings, 0, masqueradeSettings{})
			put(t, r.State, 0, masqueradeNicState{})
			if res := r.nicIn(t, udpData); res.short {
				t.Error("sent to nobody")
			}
		})
	})
}

// TestPacketShortCutOut lets the guest send packets of flows that it has.
func TestPacketShortCutOut(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		data := packet(udp, f.guest, f.remote, 40000, 53)
		r.tapIn(t, data).toOutside(data.from(f.pod).hop())
		r.tapIn(t, packet(tcpSYN, f.guest, f.remote, 40000, 80))
		for _, c := range []struct {
			name  string
			d     datagram
			taken bool
		}{
			{"UDP", data, true},
			{"last hop but one", data.lives(2), true},
			{"TCP", packet(tcpACK, f.guest, f.remote, 40000, 80), false},
			{"no flow", packet(udp, f.guest, f.remote, 40001, 53), false},
			{"no checksum", data.as(udpBare), false},
			{"no hop left", data.lives(1), false},
			{"to the gateway", packet(udp, f.guest, f.gateway, 40000, 53), false},
			{"to itself", packet(udp, f.guest, f.pod, 40000, 53), false},
			{"not its address", packet(udp, f.remote, f.remote, 40000, 53), false},
			{"ping", packet(echo, f.guest, f.remote, 7, 0), false},
		} {
			t.Run(c.name, func(t *testing.T) {
				if res := r.tapIn(t, c.d); res.short != c.taken {
					t.Errorf("taken by XDP: %v, want %v (%s)", res.short, c.taken, res.verdict)
				}
			})
		}
		for name, macs := range map[string][2]net.HardwareAddr{
			"not its MAC":         {nodeMAC, GatewayMAC},
			"not for the gateway": {guestMAC, nodeMAC},
		} {
			t.Run(name, func(t *testing.T) {
				if res := r.feed(t, r.TapirTapIn, framed(t, macs[0], macs[1], data), skbContext{}); res.short {
					t.Error("taken by XDP")
				}
			})
		}
		t.Run("next hop looked up too long ago, or nobody", func(t *testing.T) {
			frame := framed(t, guestMAC, GatewayMAC, data)
			for _, hop := range []uint64{0, rigClock & 0xffff << 48, (rigClock-100)&0xffff<<48 | macWord(nodeMAC)} {
				flows := r.flowTable(t)
				for key, flow := range flows {
					flow.NextHop = hop
					flows[key] = flow
				}
				r.putFlows(t, nil, flows)
				if o := r.outcome(t, r.fast.TapirXdpTap, frame); o.verdict != verdictXDPPass {
					t.Errorf("next hop %#x: %s", hop, o.verdict)
				}
			}
		})
	})
}

// udpAt is where the UDP header of a frame starts.
func udpAt(f addressFamily) int {
	if f.pod.Is4() {
		return atIP + 20
	}
	return atIP + 40
}

// pseudoOnly is the frame as CHECKSUM_PARTIAL has it: in the checksum's place the folded sum of the pseudo-header.
func pseudoOnly(t *testing.T, in []byte, f addressFamily) []byte {
	t.Helper()
	out, at := append([]byte(nil), in...), udpAt(f)
	length := len(in) - at
	pseudo := append(append([]byte(nil), f.remote.AsSlice()...), f.pod.AsSlice()...)
	pseudo = append(pseudo, 0, byte(layers.IPProtocolUDP), byte(length>>8), byte(length))
	binary.BigEndian.PutUint16(out[at+6:], onesSum(pseudo))
	return out
}

// lco is what a tunnel's driver sends that leaves the inner checksum to the device (the kernel's
// Documentation/networking/checksum-offloads.rst, LCO): the outer checksum is that of the packet with the inner one
// filled in.
func lco(t *testing.T, f addressFamily, outer datagram) []byte {
	t.Helper()
	inner := packet(udp, f.guest, f.remote, 1, 2).bytes(t)
	outer.data = inner
	out := framed(t, nodeMAC, podMAC, outer)
	field := len(out) - len(inner) + udpAt(f) - atIP + 6
	binary.BigEndian.PutUint16(out[field:], binary.BigEndian.Uint16(out[field:])+1)
	return out
}
