// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Connect joins two namespaces by a pair of veths, both up.
func Connect(t testing.TB, a *Namespace, aName string, b *Namespace, bName string, mtu int) {
	t.Helper()
	a.Must(t, func() error {
		attributes := netlink.NewLinkAttrs()
		attributes.Name, attributes.MTU = aName, mtu
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs:     attributes,
			PeerName:      bName,
			PeerNamespace: netlink.NsFd(int(b.Fd())),
			PeerTxQLen:    -1,
		})
	})
	a.Up(t, aName)
	b.Up(t, bName)
}

// Address gives a link addresses.
func (n *Namespace) Address(t testing.TB, link string, prefixes ...netip.Prefix) {
	t.Helper()
	n.Must(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return fmt.Errorf("finding link %s: %w", link, err)
		}
		for _, prefix := range prefixes {
			// Duplicate address detection leaves an address unusable for a moment, even where it is off.
			address := &netlink.Addr{IPNet: ipNet(prefix), Flags: unix.IFA_F_NODAD}
			if err := netlink.AddrAdd(l, address); err != nil {
				return fmt.Errorf("adding %s to %s: %w", prefix, link, err)
			}
		}
		return nil
	})
}

// Route sends packets for a prefix to a router.
func (n *Namespace) Route(t testing.TB, to netip.Prefix, via netip.Addr) {
	t.Helper()
	n.Must(t, func() error {
		err := netlink.RouteAdd(&netlink.Route{Dst: ipNet(to), Gw: net.IP(via.AsSlice())})
		if err != nil {
			return fmt.Errorf("adding route to %s via %s: %w", to, via, err)
		}
		return nil
	})
}

// awaitCarrier waits until the kernel lets frames out by a tap that was opened. That is not at once: the
// kernel handles changes of carrier in the background, at most once a second.
func (n *Namespace) awaitCarrier(t testing.TB, link string) {
	t.Helper()
	for deadline := time.Now().Add(bulkPatience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var state netlink.LinkOperState
		n.Must(t, func() error {
			l, err := netlink.LinkByName(link)
			if err == nil {
				state = l.Attrs().OperState
			}
			return err
		})
		if state == netlink.OperUp {
			return
		}
	}
	t.Fatalf("link %s has no carrier after %s", link, bulkPatience)
}

// DisableOffloads makes a link carry finished packets: no larger than its MTU, with real checksums.
func (n *Namespace) DisableOffloads(t testing.TB, link string) {
	t.Helper()
	n.features(t, link, map[string]bool{
		"tx-checksum-ip-generic":       false,
		"tx-tcp-segmentation":          false,
		"tx-tcp6-segmentation":         false,
		"tx-udp-segmentation":          false,
		"tx-generic-segmentation":      false,
		"tx-tcp-ecn-segmentation":      false,
		"tx-tcp-mangleid-segmentation": false,
	})
}

// GRO switches a link's. A veth that has it polls, and so takes frames that its other end is given by XDP.
func (n *Namespace) GRO(t testing.TB, link string, on bool) {
	t.Helper()
	n.features(t, link, map[string]bool{"rx-gro": on})
}

func (n *Namespace) features(t testing.TB, link string, features map[string]bool) {
	t.Helper()
	n.Must(t, func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		return tool.Change(link, features)
	})
}

// Traffic is what the counters of a link say, in frames and bytes. A segmentation-offload frame counts once.
type Traffic struct {
	RxFrames, RxBytes, TxFrames, TxBytes uint64
}

// Traffic reads the counters of a link.
func (n *Namespace) Traffic(t testing.TB, link string) (traffic Traffic) {
	t.Helper()
	n.Must(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return fmt.Errorf("finding link %s: %w", link, err)
		}
		s := l.Attrs().Statistics
		traffic = Traffic{s.RxPackets, s.RxBytes, s.TxPackets, s.TxBytes}
		return nil
	})
	return traffic
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	address := prefix.Addr()
	return &net.IPNet{
		IP:   net.IP(address.AsSlice()),
		Mask: net.CIDRMask(prefix.Bits(), address.BitLen()),
	}
}
