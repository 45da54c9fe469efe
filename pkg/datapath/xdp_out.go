// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// xdpOutObstacle says why the guest's datagrams must not leave by XDP, and what would help; nil where they may. They
// go past the pod NIC's egress, as with redirect peer, and the NIC must take them: what it doesn't take, the kernel drops
// without telling the program. tap is nil where it is yet to be made.
func (r *record) xdpOutObstacle(nic, tap netlink.Link, dir string) error {
	if err := egressObstacle(nic, egress(&r.Constants), dir); err != nil {
		return err
	}
	if err := r.foreignTapXDP(tap, dir); err != nil {
		return err
	}
	return refusesFrames(nic)
}

// foreignTapXDP finds an XDP program on the tap that isn't Tapir's.
func (r *record) foreignTapXDP(tap netlink.Link, dir string) error {
	if tap == nil || tap.Attrs().Xdp == nil || !tap.Attrs().Xdp.Attached {
		return nil
	}
	h := xdpTapHook(&r.Constants)
	ours, err := h.linkAlive(h.pin(dir))
	if ours || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%s has an XDP program of somebody else's (id %d)", tap.Attrs().Name, tap.Attrs().Xdp.ProgId)
}

// The netdev family of generic netlink, linux/netdev.h; since Linux 6.3.
const (
	netdevFamily      = "netdev"
	netdevGet         = 1 // NETDEV_CMD_DEV_GET
	netdevIfindex     = 1 // NETDEV_A_DEV_IFINDEX
	netdevXDPFeatures = 3 // NETDEV_A_DEV_XDP_FEATURES
	netdevTakesFrames = 4 // NETDEV_XDP_ACT_NDO_XMIT, of those features
)

// refusesFrames says why a device doesn't take frames from XDP. A veth does while its other end polls, which that does for
// GRO or an XDP program of its own (veth_set_xdp_features in drivers/net/veth.c).
func refusesFrames(nic netlink.Link) error {
	name := nic.Attrs().Name
	features, err := xdpFeatures(nic.Attrs().Index)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: kernels before 6.3 don't tell whether %s takes frames from XDP", ErrUnsupported, name)
	}
	if err != nil {
		return fmt.Errorf("asking whether %s takes frames from XDP: %w", name, err)
	}
	if features&netdevTakesFrames != 0 {
		return nil
	}
	if nic.Type() != "veth" || nic.Attrs().NetNsID < 0 {
		return fmt.Errorf("%w: %s takes no frames from XDP", ErrUnsupported, name)
	}
	far, err := farEnd(nic)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s takes no frames from XDP until its other end polls: `ethtool -K %s gro on` on the node, then attach again", name, far.Attrs().Name)
}

// xdpFeatures are a device's, in the calling thread's namespace; unix.ENOENT where the kernel doesn't tell.
func xdpFeatures(index int) (uint64, error) {
	family, err := netlink.GenlFamilyGet(netdevFamily)
	if err != nil {
		return 0, err
	}
	request := nl.NewNetlinkRequest(int(family.ID), 0)
	// struct genlmsghdr (linux/genetlink.h) by hand: nl.Genlmsg leaves to chance what is reserved, which must be zero here.
	header := []byte{netdevGet, 1, 0, 0}
	request.AddRawData(append(header, nl.NewRtAttr(netdevIfindex, nl.Uint32Attr(uint32(index))).Serialize()...))
	replies, err := request.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return 0, err
	}
	for _, reply := range replies {
		if len(reply) < nl.SizeofGenlmsg {
			continue
		}
		attributes, err := nl.ParseRouteAttr(reply[nl.SizeofGenlmsg:])
		if err != nil {
			return 0, err
		}
		for _, a := range attributes {
			if a.Attr.Type == netdevXDPFeatures && len(a.Value) == 8 {
				return binary.NativeEndian.Uint64(a.Value), nil
			}
		}
	}
	return 0, errors.New("the reply has no XDP features")
}
