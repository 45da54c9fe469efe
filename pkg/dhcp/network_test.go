// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A network is a pod and its guest: tap0 of the pod, with the gateway's addresses and MAC, and eth0 of the
// guest are the ends of a veth pair. The guest is a Linux host that takes part in nothing until asked.
type network struct {
	pod, guest *nstest.Namespace
}

var (
	testGatewayMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0}
	testGuestMAC   = net.HardwareAddr{0x02, 0xf0, 0x0d, 0, 0, 0x01}
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{pod: nstest.NewNamespace(t, "dhcp-pod"), guest: nstest.NewNamespace(t, "dhcp-guest")}
	nstest.Connect(t, n.pod, "tap0", n.guest, "eth0", 1500)
	setMAC(t, n.pod, "tap0", testGatewayMAC)
	setMAC(t, n.guest, "eth0", testGuestMAC)
	n.pod.Address(t, "tap0", netip.MustParsePrefix("10.0.2.1/24"), netip.MustParsePrefix("fd10:0:2::1/120"))
	settle(t, n.pod, "tap0")
	settle(t, n.guest, "eth0")
	return n
}

// settle waits until a link can send from its link-local address.
func settle(t *testing.T, n *nstest.Namespace, name string) {
	t.Helper()
	eventually(t, "a usable link-local address", func() bool {
		addresses, err := nstest.Run(n, func() ([]netlink.Addr, error) {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return nil, err
			}
			return netlink.AddrList(link, netlink.FAMILY_V6)
		})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(addresses, func(a netlink.Addr) bool {
			return a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0
		})
	})
}

// eventually waits for what the kernel or a server does in its own time.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s never came", what)
		}
	}
}

// setMAC changes a link's MAC while it is down, so that its link-local address follows.
func setMAC(t *testing.T, n *nstest.Namespace, name string, mac net.HardwareAddr) {
	t.Helper()
	n.Must(t, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetDown(link); err != nil {
			return err
		}
		if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
}

// open opens the pod's sockets until the test ends.
func (n *network) open(t *testing.T) Sockets {
	t.Helper()
	files, err := Open(n.pod.Path(), "tap0", true, true)
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := files.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sockets.Close() })
	return sockets
}

// running are servers that serve until they are stopped, or the test ends.
type running struct {
	*Servers
	stop func()
}

// serve runs all servers in the pod.
func (n *network) serve(t *testing.T) running {
	t.Helper()
	v4, v6, ra := testConfig4(), testConfig6(), testConfigRA()
	servers, err := NewServers(n.open(t), &v4, &v6, &ra, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- servers.Serve(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	t.Cleanup(stop)
	return running{servers, stop}
}

// check stops the servers, so that nothing is being counted, and compares one's counters.
func (r running) check(t *testing.T, version string, want Stats) {
	t.Helper()
	r.stop()
	checkStats(t, r.Stats()[version], want)
}

// checkStats compares the counters that aren't zero.
func checkStats(t *testing.T, got, want Stats) {
	t.Helper()
	maps.DeleteFunc(got, func(_ string, count uint64) bool { return count == 0 })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters differ (-want +got):\n%s", diff)
	}
}

// testLog logs to the test, so that it shows when the test fails.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(line)))
	return len(line), nil
}
