// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

const atIP = 14 // offset of the IP header in a frame

func malformedCases() []dropCase {
	// complaining is an ICMP error of the guest, or of somebody outside, that quotes a packet cut to length.
	complaining := func(quote func(addressFamily) datagram, length int, prog string) feed {
		return func(t *testing.T, r *rig, f addressFamily) result {
			d := packet(portUnreachable, f.guest, f.remote, 0, 0)
			d.data = quote(f).bytes(t)[:length]
			if prog == "nic" {
				return r.nicIn(t, d.from(f.remote).to(f.pod))
			}
			return r.tapIn(t, d)
		}
	}
	extended := func(e ...extension) feed {
		return tap(func(f addressFamily) datagram {
			d := packet(udp, f.guest, f.remote, 40000, 53)
			d.extensions = e
			return d
		})
	}
	seven := make([]extension, 7)
	for i := range seven {
		seven[i] = destinationOpts
	}
	long := extension{layers.IPProtocolIPv6Destination, append([]byte{0, 127, 1, 255}, make([]byte, 1020)...)}
	return []dropCase{
		{name: "the other version", feed: tapFrame(func(frame []byte) []byte { frame[atIP] ^= 0x20; return frame })},
		{name: "header length 4", feed: tapFrame(overwrite(atIP, 0x44)), only: "IPv4"},
		{name: "total length less than the header's", feed: tapFrame(overwrite(atIP+2, 0, 19)), only: "IPv4"},
		{name: "total length more than there is", feed: tapFrame(overwrite(atIP+2, 0xff, 0xff)), only: "IPv4"},
		{name: "payload length more than there is", feed: tapFrame(overwrite(atIP+4, 0xff, 0xff)), only: "IPv6"},
		{name: "header beyond the end", feed: tapFrame(overwrite(atIP, 0x4f)), only: "IPv4"},
		{name: "half an ARP request", only: "IPv4", feed: func(t *testing.T, r *rig, f addressFamily) result {
			frame := ethernet(guestMAC, broadcastMAC, layers.EthernetTypeARP, frame(t, arpRequest(testAddresses(true, false)))[:17])
			return r.feed(t, r.TapirTapIn, frame, skbContext{})
		}},
		{name: "UDP header cut", feed: tap(func(f addressFamily) datagram {
			d := packet(raw(layers.IPProtocolUDP), f.guest, f.remote, 0, 0)
			d.data = make([]byte, 7)
			return d
		})},
		{name: "TCP header cut", feed: nic(func(f addressFamily) datagram {
			d := packet(raw(layers.IPProtocolTCP), f.remote, f.pod, 0, 0)
			d.data = make([]byte, 19)
			return d
		})},
		{name: "extension header cut", only: "IPv6", feed: tap(func(f addressFamily) datagram {
			d := packet(raw(layers.IPProtocolIPv6HopByHop), f.guest, f.remote, 0, 0)
			d.data = make([]byte, 7)
			return d
		})},
		{name: "extension header beyond the end", only: "IPv6", feed: extended(extension{layers.IPProtocolIPv6Destination,
			[]byte{0, 200, 1, 4, 0, 0, 0, 0}})},
		{name: "too many extension headers", only: "IPv6", feed: extended(seven...)},
		{name: "too long extension headers", only: "IPv6", feed: extended(long)},
		{name: "ICMP error that quotes too little", feed: complaining(func(f addressFamily) datagram {
			return packet(udp, f.remote, f.guest, 53, 40000)
		}, 20, "tap")},
		{name: "ICMP error that quotes what the guest never got", feed: complaining(func(f addressFamily) datagram {
			return packet(udp, f.remote, f.other, 53, 40000)
		}, 48, "tap")},
		{name: "ICMP error from outside that quotes too little", feed: complaining(func(f addressFamily) datagram {
			return packet(udp, f.pod, f.remote, 40000, 53)
		}, 27, "nic")},
		{name: "hairpin ICMP error that quotes too little", feed: tap(func(f addressFamily) datagram {
			return packet(portUnreachable, f.guest, f.pod, 0, 0)
		})},
		{name: "ICMP error to the gateway that quotes too little", feed: tap(func(f addressFamily) datagram {
			return packet(portUnreachable, f.guest, f.gateway, 0, 0)
		})},
	}
}

// Whatever the length at which a valid packet is cut, nothing is made of it. The kernel doesn't run a program on
// less than an IP header.
func TestPacketTruncated(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, k := range map[string]kind{"TCP": tcpACK, "UDP": udp, "echo": echo, "error": portUnreachable} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				out, in := packet(k, f.guest, f.remote, 40000, 53), packet(k, f.remote, f.pod, 50000, 53)
				if name == "error" {
					out.data = packet(udp, f.remote, f.guest, 53, 40000).bytes(t)
					in.data = packet(udp, f.pod, f.remote, 40000, 53).bytes(t)
				}
				if f.guest.Is6() {
					out.extensions = []extension{destinationOpts, atomicFragment}
					in.extensions = out.extensions
				}
				header := atIP + 20
				if f.guest.Is6() {
					header = atIP + 40
				}
				frame := framed(t, guestMAC, GatewayMAC, out)
				for n := header; n < len(frame); n++ {
					r.feed(t, r.TapirTapIn, bytes.Clone(frame[:n]), skbContext{}).isDropped(masqueradeDropReasonDROP_MALFORMED)
				}
				frame = framed(t, nodeMAC, podMAC, in)
				for n := header; n < len(frame); n++ {
					r.feed(t, r.TapirNicIn, bytes.Clone(frame[:n]), skbContext{}).isDropped(masqueradeDropReasonDROP_MALFORMED)
				}
				for prog, d := range map[string]datagram{"nic_out": in.answer(), "lo_out": in.from(f.loopback).to(f.loopback)} {
					frame := framed(t, podMAC, podMAC, d)
					for n := header; n < len(frame); n++ {
						if prog == "nic_out" {
							r.feed(t, r.TapirNicOut, frame[:n], skbContext{}).passes()
						} else {
							r.feed(t, r.TapirLoOut, frame[:n], skbContext{}).passes()
						}
					}
				}
			})
		}
	})
}
