// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// features is what `ethtool -k` shows.
func features(t *testing.T, n *nstest.Namespace, link string) map[string]bool {
	t.Helper()
	f, err := nstest.Run(n, func() (map[string]bool, error) {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return nil, err
		}
		defer tool.Close()
		return tool.Features(link)
	})
	if err != nil {
		t.Fatalf("features of %s: %v", link, err)
	}
	return f
}

func TestOffloadsStay(t *testing.T) {
	n := nstest.NewTopology(t)
	n.Pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr")
	n.Pod.Up(t, "tap0")
	n.Plug(t) // who opens a tap sets its offloads
	links := []string{"eth0", "tap0", "lo"}
	before := map[string]map[string]bool{}
	for _, l := range links {
		before[l] = features(t, n.Pod, l)
	}
	same := func(when string) {
		for _, l := range links {
			if diff := cmp.Diff(before[l], features(t, n.Pod, l)); diff != "" {
				t.Errorf("%s, %s has other features (-before +now):\n%s", when, l, diff)
			}
		}
	}
	cfg := config(n.Pod)
	attach(t, cfg)
	same("attached")
	cfg.MTU = 1400
	again(t, cfg)
	same("attached again")
	detach(t, cfg)
	same("detached")
}

// Segmentation is left to the far end: 64 KiB frames cross the datapath in one piece, both ways.
func TestLargeFramesCross(t *testing.T) {
	n, _ := newScene(t, func(*Config) {})
	for _, f := range both {
		t.Run(f.Name, func(t *testing.T) {
			large := watchLarge(t, n.Guest, "eth0")
			transfer, err := n.Client.DialTCP(netip.AddrPort{}, netip.AddrPortFrom(f.Pod.Addr(), servedPort))
			if err != nil {
				t.Fatal(err)
			}
			defer transfer.Close()
			var in, out int
			for range 20 { // windows have to open first
				if err := transfer.Echo(bytes.Repeat([]byte("0123456789abcdef"), 1<<19)); err != nil {
					t.Fatal(err)
				}
				i, o := large.read(t)
				in, out = in+i, out+o
				if in > 0 && out > 0 {
					t.Logf("%d frames of 60,000 bytes and more into the guest, %d out of it", in, out)
					return
				}
			}
			t.Errorf("%d frames of 60,000 bytes and more into the guest, %d out of it", in, out)
		})
	}
}

// A largeWatch is a packet socket that sees frames of 60,000 bytes and more.
type largeWatch int

func watchLarge(t *testing.T, n *nstest.Namespace, link string) largeWatch {
	t.Helper()
	fd, err := nstest.Run(n, func() (int, error) {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return -1, err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return -1, err
		}
		everything := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
		// ld len; jge 60000: return 64; else: return 0
		filter := []unix.SockFilter{{Code: 0x80}, {Code: 0x35, Jf: 1, K: 60000}, {Code: 0x06, K: 64}, {Code: 0x06}}
		return fd, errors.Join(
			unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: l.Attrs().Index}))
	})
	if fd >= 0 {
		t.Cleanup(func() { unix.Close(fd) })
	}
	if err != nil {
		t.Fatalf("watching the frames of %s: %v", link, err)
	}
	return largeWatch(fd)
}

// read counts the frames seen since the last time, and fails the test if one isn't to be segmented by its receiver.
func (w largeWatch) read(t *testing.T) (in, out int) {
	t.Helper()
	frame := make([]byte, 128)
	for {
		n, from, err := unix.Recvfrom(int(w), frame, 0)
		if errors.Is(err, unix.EAGAIN) {
			return in, out
		}
		if err != nil {
			t.Fatal(err)
		}
		// struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size
		if n < 10 || frame[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM == 0 || frame[1] == unix.VIRTIO_NET_HDR_GSO_NONE {
			t.Errorf("a large frame has the header % x", frame[:10])
		}
		if size := binary.NativeEndian.Uint16(frame[6:]); size > nstest.MTU {
			t.Errorf("a large frame asks for segments of %d bytes", size)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			out++
		} else {
			in++
		}
	}
}
