// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

const loopbackIndex = 1 // LOOPBACK_IFINDEX in net/net_namespace.h

// loopbackMTU reads what the pod's lo has.
func loopbackMTU() (int, error) {
	lo, err := netlink.LinkByIndex(loopbackIndex)
	if err != nil {
		return 0, fmt.Errorf("finding the loopback device: %w", err)
	}
	return lo.Attrs().MTU, nil
}

// setLoopback sets lo up, with no larger packets than the guest takes: what a pod process sends to 127.0.0.1 may be the
// guest's, and the programs can't fragment it. TCP keeps its large frames, which are segmented where they have to be.
func setLoopback(mtu int) error {
	lo, err := netlink.LinkByIndex(loopbackIndex)
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err == nil && lo.Attrs().MTU != mtu {
		err = netlink.LinkSetMTU(lo, mtu)
	}
	if err != nil {
		return fmt.Errorf("setting the loopback device up with an MTU of %d: %w", mtu, err)
	}
	return nil
}
