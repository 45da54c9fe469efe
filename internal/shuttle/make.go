// SPDX-License-Identifier: Apache-2.0

package shuttle

import (
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Make makes a tap for [Open] that stays, down, in the calling thread's namespace. No process is started meanwhile: until it
// executes its program it would hold the tap's only queue, which is open here.
func Make(name string, mtu int) (*netlink.Tuntap, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	tap := &netlink.Tuntap{
		LinkAttrs: attributes,
		Mode:      netlink.TUNTAP_MODE_TAP,
		Flags:     netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR,
	}
	syscall.ForkLock.RLock()
	err := netlink.LinkAdd(tap)
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("adding tap: %w", err)
	}
	if err := netlink.LinkSetMTU(tap, mtu); err != nil {
		return nil, fmt.Errorf("setting the tap's MTU: %w", err)
	}
	return tap, nil
}
