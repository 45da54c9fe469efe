// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/shuttle"
)

// AddTap makes the tap, up, in the calling thread's namespace, for datapaths that don't make their own.
func AddTap(mtu int) (netlink.Link, error) {
	tap, err := shuttle.Make(Tap, mtu)
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(tap); err != nil {
		return nil, fmt.Errorf("bringing the tap up: %w", err)
	}
	return tap, nil
}
