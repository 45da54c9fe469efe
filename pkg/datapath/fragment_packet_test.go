// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/shuttle"
)

// long is a packet that is worth cutting.
func long(k kind, f addressFamily) datagram {
	d := packet(k, f.remote, f.pod, 50000, 5353)
	d.data = bytes.Repeat([]byte("0123456789abcdef"), 12)
	return d
}

func TestPacketFragmentsFromGuest(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, k := range map[string]kind{"TCP": tcpACK, "UDP": udp, "ping": echo, "GRE": raw(47)} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				in := long(k, f).from(f.guest).to(f.remote)
				want := in.from(f.pod).hop().fragments(t, 64)
				for i, piece := range in.fragments(t, 64) {
					r.tapIn(t, piece).toOutside(want[i])
				}
				for i, piece := range slices.Backward(in.fragments(t, 64)) {
					r.tapIn(t, piece).toOutside(want[i])
				}
			})
		}
	})
}

// The first fragment, with the ports, decides for all.
func TestPacketFragmentsFromOutside(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, k := range map[string]kind{"TCP": tcpACK, "UDP": udp, "ping": echo, "GRE": raw(47)} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				in := long(k, f)
				want := in.to(f.guest).hop().fragments(t, 64)
				for i, piece := range in.fragments(t, 64) {
					r.nicIn(t, piece).toGuest(want[i])
				}
				r.set(t, []Port{{Protocol: "tcp", Port: 1}}, nil)
				r.evict(t)
				for _, piece := range in.numbered(7).fragments(t, 64) {
					r.nicIn(t, piece).passes()
				}
			})
		}
	})
}

// A datagram is known by its addresses and its id, in IPv4 by its protocol, too (RFC 791, RFC 8200 section 4.5).
func TestPacketFragmentsOfWhich(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		guests, pods := long(udp, f), long(udp, f).numbered(7).ports(50000, 22)
		want := guests.to(f.guest).hop().fragments(t, 64)
		for i := range want {
			r.nicIn(t, guests.fragments(t, 64)[i]).toGuest(want[i])
			r.nicIn(t, pods.fragments(t, 64)[i]).passes()
		}
		if guests.ipv6() {
			guests.extensions = []extension{destinationOpts} // goes into the first fragment
			want = guests.to(f.guest).hop().fragments(t, 64)
			for i, piece := range guests.fragments(t, 64) {
				r.nicIn(t, piece).toGuest(want[i])
			}
			return
		}
		tcp := long(tcpACK, f).ports(50000, 22)
		for _, piece := range tcp.fragments(t, 64) {
			r.nicIn(t, piece).passes()
		}
	})
}

// Ids come round again: a first fragment speaks for its own datagram, not for one minutes later.
func TestPacketFragmentsAge(t *testing.T) {
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{})
		r.set(t, declared, nil)
		first, later := long(udp, f).ports(50000, 22).fragments(t, 64)[0], long(udp, f).fragments(t, 64)[1]
		r.nicIn(t, first).passes()
		r.age(t, 1)
		r.nicIn(t, later).passes()
		r.age(t, 1)
		if n := r.nicIn(t, later).counters.FragmentsEarly; n != 1 {
			t.Errorf("%d fragments without a first counted, want 1", n)
		}
	})
}

// A fragment that overtakes its first goes to both: the pod's stack gets it with its own address, the guest a copy.
func TestPacketFragmentsOutOfOrder(t *testing.T) {
	guest, err := openRigTap(t)
	if err != nil {
		t.Fatal(err)
	}
	link, err := netlink.LinkByName("rig")
	if err != nil {
		t.Fatal(err)
	}
	eachFamily(t, func(t *testing.T, f addressFamily) {
		r := newRig(t, rigConfig{tap: link.Attrs().Index})
		in := long(udp, f)
		pieces, want := in.fragments(t, 64), in.to(f.guest).hop().fragments(t, 64)

		res := r.nicIn(t, pieces[1])
		// MACs and TTL have done their work by then, and stay as the copy has them.
		res.expect(verdictPass, framed(t, GatewayMAC, guestMAC, pieces[1].hop()), Counters{})
		if n := res.counters.FragmentsEarly; n != 1 {
			t.Errorf("%d early fragments counted, want 1", n)
		}
		if got := readFrame(t, guest); !bytes.Equal(got, framed(t, GatewayMAC, guestMAC, want[1])) {
			t.Errorf("the guest got %x, want %x", got, framed(t, GatewayMAC, guestMAC, want[1]))
		}

		first := r.nicIn(t, pieces[0])
		if !bytes.Equal(first.out, framed(t, GatewayMAC, guestMAC, want[0])) || int(first.verdict) != link.Attrs().Index {
			t.Errorf("first fragment %s", first.verdict)
		}
		later := r.nicIn(t, pieces[2])
		if !bytes.Equal(later.out, framed(t, GatewayMAC, guestMAC, want[2])) || later.counters.FragmentsEarly != 0 {
			t.Errorf("later fragment %s, %d counted as early", later.verdict, later.counters.FragmentsEarly)
		}

		r.reset(t) // the guest's MAC too: nobody to copy to
		r.nicIn(t, pieces[1]).passesAs(pieces[1].hop())
	})
}

// openRigTap makes a device that a program can send to.
func openRigTap(t *testing.T) (*os.File, error) {
	here, err := ns.GetCurrentNS()
	if err != nil {
		return nil, err
	}
	defer here.Close()
	file, err := shuttle.Open(here, "rig")
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { file.Close() })
	link, err := netlink.LinkByName("rig")
	if err != nil {
		return nil, err
	}
	// Else the kernel itself speaks on it.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/rig/disable_ipv6", []byte("1"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return file, netlink.LinkSetUp(link)
}
