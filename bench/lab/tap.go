// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// AddTap makes the tap, up, in the calling thread's namespace, for datapaths that don't make their own.
func AddTap(mtu int) (netlink.Link, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = Tap
	tap := &netlink.Tuntap{
		LinkAttrs: attributes,
		Mode:      netlink.TUNTAP_MODE_TAP,
		Flags:     netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR,
	}
	if err := netlink.LinkAdd(tap); err != nil {
		return nil, fmt.Errorf("adding tap: %w", err)
	}
	if err := netlink.LinkSetMTU(tap, mtu); err != nil {
		return nil, fmt.Errorf("setting the tap's MTU: %w", err)
	}
	if err := netlink.LinkSetUp(tap); err != nil {
		return nil, fmt.Errorf("bringing the tap up: %w", err)
	}
	return tap, nil
}
