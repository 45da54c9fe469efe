// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/vishvananda/netlink"
)

// Status tells how an attached NIC is doing.
type Status struct {
	Config       Config    `json:"config"`
	Addresses    Addresses `json:"addresses"`
	GuestMAC     string    `json:"mac,omitempty"`         // configured or learnt; empty: not a frame was seen yet
	Hook         string    `json:"hook"`                  // tcx, or clsact on kernels before 6.6; with +xdp where the fast path is on
	Healthy      bool      `json:"healthy"`               // all programs hang where they belong
	Bypassed     string    `json:"bypassed,omitempty"`    // what has come since attaching that redirect peer shouldn't bypass; attach again with neigh
	XDPTransmit  bool      `json:"xdpTransmit"`           // what the guest sends takes the XDP fast path, too
	XDPObstacle  string    `json:"xdpObstacle,omitempty"` // why it doesn't, or, come since, why it must not: packets may be lost; and what helps
	FlowCount    int       `json:"flowCount"`
	MapBytes     uint64    `json:"mapBytes"` // memory that the kernel charged for the maps
	Attached     time.Time `json:"attached"`
	AttachMillis float64   `json:"attachMilliseconds"` // the last attach took
	Counters     Counters  `json:"counters"`
}

// Status reads state, links and maps.
func (n *NIC) Status() (Status, error) {
	s := Status{
		Config:       n.Config(),
		Addresses:    n.Addresses(),
		Attached:     n.record.Attached,
		AttachMillis: n.record.TookMS,
	}
	mac, err := knownMAC(&n.maps)
	if err != nil {
		return s, err
	}
	s.GuestMAC = mac.String()
	if s.FlowCount, err = n.FlowCount(); err != nil {
		return s, err
	}
	if s.Counters, err = n.Counters(); err != nil {
		return s, err
	}
	s.MapBytes = mapBytes(&n.maps)
	s.Hook, s.Healthy = n.hooksHealthy()
	fixed := &n.record.Constants
	if fixed.Peer {
		s.Bypassed = n.look(func(nic, _ netlink.Link) error { return peerObstacle(nic, egress(fixed), pinDir(n.key)) })
	}
	if fixed.XDP {
		s.Hook += "+xdp"
		s.XDPTransmit, s.XDPObstacle = fixed.XDPOut, n.look(n.xdpOutObstacle)
	}
	return s, nil
}

// xdpOutObstacle looks again for what keeps, or would now keep, Attach from having the guest's datagrams leave by XDP.
func (n *NIC) xdpOutObstacle(nic, tap netlink.Link) error {
	err := n.record.xdpOutObstacle(nic, tap, pinDir(n.key))
	if err == nil && !n.record.Constants.XDPOut {
		return errors.New("what kept it from that is gone: attach again")
	}
	return err
}

// look tells what is wrong with the pod NIC and the tap as they are now; empty: nothing.
func (n *NIC) look(obstacle func(nic, tap netlink.Link) error) string {
	err := n.inPod(func() error {
		nic, err := netlink.LinkByIndex(n.record.Constants.NICIndex)
		if err != nil {
			return fmt.Errorf("finding the pod NIC: %w", err)
		}
		tap, err := netlink.LinkByIndex(n.record.Constants.TapIndex)
		if err != nil {
			return fmt.Errorf("finding the tap: %w", err)
		}
		return obstacle(nic, tap)
	})
	if err != nil {
		return err.Error()
	}
	return ""
}

func mapBytes(maps *masqueradeMaps) (sum uint64) {
	for _, m := range pinnedMaps(maps) {
		if info, err := (*m).Info(); err == nil {
			if locked, ok := info.Memlock(); ok {
				sum += locked
			}
		}
	}
	return sum
}

// hooksHealthy looks for the programs. lo, which lives as long as its namespace, tells what they hang on.
func (n *NIC) hooksHealthy() (kind string, healthy bool) {
	dir := pinDir(n.key)
	if _, err := loopbackHook.linkAlive(loopbackHook.pin(dir)); !errors.Is(err, fs.ErrNotExist) {
		return "tcx", allHang(dir, &n.record.Constants)
	}
	err := n.inPod(func() error {
		healthy = allHang(dir, &n.record.Constants)
		return nil
	})
	return "clsact", err == nil && healthy
}
