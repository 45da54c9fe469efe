// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

var (
	routerAlert = layers.IPv4Option{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}
	timestamps  = layers.IPv4Option{OptionType: 68, OptionLength: 36, OptionData: make([]byte, 34)}
)

// What stands between the IP header and the transport's is carried, not looked into.
func TestPacketOptions(t *testing.T) {
	for name, with := range map[string]func(*datagram){
		"IPv4 router alert":        func(d *datagram) { d.options = []layers.IPv4Option{routerAlert} },
		"IPv4 all 40 bytes":        func(d *datagram) { d.options = []layers.IPv4Option{timestamps, routerAlert} },
		"IPv6 hop-by-hop":          func(d *datagram) { d.extensions = []extension{hopByHop} },
		"IPv6 destination options": func(d *datagram) { d.extensions = []extension{destinationOpts} },
		"IPv6 routing, at its end": func(d *datagram) { d.extensions = []extension{routingDone} },
		"IPv6 atomic fragment":     func(d *datagram) { d.extensions = []extension{atomicFragment} },
		"IPv6 in the order of RFC": func(d *datagram) {
			d.extensions = []extension{hopByHop, destinationOpts, routingDone, atomicFragment, destinationOpts}
		},
		"IPv6 six extension headers": func(d *datagram) {
			for range 6 {
				d.extensions = append(d.extensions, destinationOpts)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := families()[name[:4]]
			for _, k := range []kind{tcpSYN, tcpACK, udp, udpBare, echo, raw(47)} {
				r := newRig(t, rigConfig{})
				out, in, lo := packet(k, f.guest, f.remote, 40000, 53), packet(k, f.remote, f.pod, 50000, 53), packet(k, f.loopback, f.loopback, 40000, 53)
				with(&out)
				with(&in)
				with(&lo)
				r.tapIn(t, out).toOutside(out.from(f.pod).hop())
				r.nicIn(t, in).toGuest(in.to(f.guest).hop())
				r.tapIn(t, out.to(f.pod)).toGuest(out.to(f.guest).from(f.pod).hop())
				r.loOut(t, lo).toGuest(lo.from(f.gateway).to(f.guest))
			}
			q := quotations["TCP"]
			sent := q.packet(f)
			with(&sent)
			r := newRig(t, rigConfig{})
			r.tapIn(t, sent).toOutside(sent.from(f.pod).hop())
			in := q.complains(t, portUnreachable, f, sent.from(f.pod))
			want := q.complains(t, portUnreachable, f, sent).to(f.guest).hop()
			with(&in)
			with(&want)
			r.nicIn(t, in).toGuest(want)
		})
	}
}

// A UDP checksum that comes out as 0 is written as all ones, since 0 means none.
func TestPacketChecksumZero(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		for _, k := range []kind{udp, tcpACK} {
			in := checksummedToZero(t, packet(k, f.guest, f.remote, 40000, 53), f.pod)
			r.tapIn(t, in).toOutside(in.from(f.pod).hop())
		}
	})
}

// checksummedToZero chooses data such that the packet's transport checksum is 0 once it comes from another address.
func checksummedToZero(t testing.TB, d datagram, from netip.Addr) datagram {
	t.Helper()
	at := 20
	if d.ipv6() {
		at = 40
	}
	if proto, _ := d.kind(d); proto == layers.IPProtocolTCP {
		at += 16
	} else {
		at += 6
	}
	d.data = []byte{0, 0}
	d.data = bytes.Clone(d.from(from).bytes(t)[at : at+2])
	if sum := d.from(from).bytes(t)[at : at+2]; sum[0] != sum[1] || (sum[0] != 0 && sum[0] != 0xff) {
		t.Fatalf("the checksum is %x", sum)
	}
	return d
}
