// SPDX-License-Identifier: Apache-2.0

package shuttle_test

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/internal/shuttle"
)

var (
	left  = netip.MustParsePrefix("192.0.2.1/24")
	right = netip.MustParsePrefix("192.0.2.2/24")
)

// end makes a namespace with a tap for one end of a shuttle.
func end(t testing.TB, label string, address netip.Prefix) (*nstest.Namespace, *os.File) {
	t.Helper()
	n := nstest.NewNamespace(t, label)
	tap, err := shuttle.Open(n, "tap0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tap.Close() })
	n.Up(t, "tap0")
	n.Address(t, "tap0", address)
	return n, tap
}

// joined makes two namespaces with a running shuttle between them.
func joined(t testing.TB) (a, b *nstest.Namespace) {
	t.Helper()
	a, aTap := end(t, "left", left)
	b, bTap := end(t, "right", right)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- shuttle.Join(ctx, aTap, bTap) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("a cancelled shuttle ended with %v", err)
		}
	})
	return a, b
}

func TestLargeFramesCrossWhole(t *testing.T) {
	a, b := joined(t)
	b.ServeTCP(t, netip.AddrPortFrom(right.Addr(), 80))
	client, err := a.DialTCP(netip.AddrPort{}, netip.AddrPortFrom(right.Addr(), 80))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before := b.Traffic(t, "tap0")
	if err := client.Echo(bytes.Repeat([]byte("0123456789abcdef"), 1<<20)); err != nil {
		t.Fatal(err)
	}
	after := b.Traffic(t, "tap0")
	if mean := (after.RxBytes - before.RxBytes) / (after.RxFrames - before.RxFrames); mean < 2*nstest.MTU {
		t.Errorf("frames of %d bytes on average: segmentation offload was lost", mean)
	}
}

func TestFramesForADownTapAreLostOnly(t *testing.T) {
	a, b := joined(t)
	down := func(n *nstest.Namespace) error {
		tap, err := netlink.LinkByName("tap0")
		if err != nil {
			return err
		}
		return netlink.LinkSetDown(tap)
	}
	ping := nstest.Ping{From: left.Addr(), To: right.Addr(), ID: 1, Size: 56}
	if err := a.Ping(ping); err != nil {
		t.Fatalf("before: %v", err)
	}
	b.Must(t, func() error { return down(b) })
	if err := a.Ping(ping); err == nil {
		t.Error("a tap that is down answered")
	}
	b.Up(t, "tap0")
	if err := a.Ping(ping); err != nil {
		t.Errorf("after it is up again: %v", err)
	}
}

func TestJoinEndsWithItsTap(t *testing.T) {
	a, aTap := end(t, "left", left)
	_, bTap := end(t, "right", right)
	ended := make(chan error, 1)
	go func() { ended <- shuttle.Join(context.Background(), aTap, bTap) }()
	a.Command(t, "ip", "link", "delete", "tap0")
	if err := <-ended; err == nil {
		t.Error("no error for a tap that was deleted")
	}
}

func TestOpenRefuses(t *testing.T) {
	n := nstest.NewNamespace(t, "refuse")
	n.Command(t, "ip", "tuntap", "add", "many0", "mode", "tap", "vnet_hdr", "multi_queue")
	n.Command(t, "ip", "tuntap", "add", "busy0", "mode", "tap", "vnet_hdr")
	busy, err := shuttle.Open(n, "busy0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, why := range map[string]string{
		"many0":                 "a multi-queue tap",
		"busy0":                 "a tap in use",
		"lo":                    "a device that isn't a tap",
		"longer-than-a-device0": "a name that is too long",
	} {
		if tap, err := shuttle.Open(n, name); err == nil {
			t.Errorf("Open took %s", why)
			tap.Close()
		}
	}
}

// BenchmarkTCP echoes bulk data through the shuttle, and says how large the frames were.
func BenchmarkTCP(b *testing.B) {
	from, to := joined(b)
	to.ServeTCP(b, netip.AddrPortFrom(right.Addr(), 80))
	client, err := from.DialTCP(netip.AddrPort{}, netip.AddrPortFrom(right.Addr(), 80))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	chunk := make([]byte, 1<<20)
	b.SetBytes(int64(len(chunk)))
	before := to.Traffic(b, "tap0")
	for b.Loop() {
		if err := client.Echo(chunk); err != nil {
			b.Fatal(err)
		}
	}
	after := to.Traffic(b, "tap0")
	b.ReportMetric(float64(after.RxBytes-before.RxBytes)/float64(after.RxFrames-before.RxFrames), "bytes/frame")
}
