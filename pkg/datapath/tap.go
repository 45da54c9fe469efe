// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// OpenTap opens every queue of a tap in the namespace at path: one file each, non-blocking, with a virtio_net_hdr
// before each frame (linux/if_tun.h: IFF_VNET_HDR). The flags must be the tap's own: TUNSETIFF with others would
// change the device under whoever holds it.
func OpenTap(netns, name string, queues int) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	err = inNetNS(netns, func(uint64) error {
		if _, err := tapByName(name); err != nil {
			return err
		}
		for range max(queues, 1) {
			f, err := openQueue(name, queues)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		return nil
	})
	return files, err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func tapFlags(queues int) uint16 {
	flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if queues > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	return flags
}

// openQueue opens (and, where there is none, makes) a tap in the calling thread's namespace.
func openQueue(name string, queues int) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun (is the tun driver there?): %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(tapFlags(queues))
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("%w: every queue of %s is open in another process: end that one, or use another tap", ErrTapInUse, name)
	} else if errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w: %s is no tap, or was made with other queues: %w", ErrTapInUse, name, err)
	} else if err != nil {
		err = fmt.Errorf("opening tap %s: %w", name, err)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// tapByName finds a tap that frames with a virtio_net_hdr can be moved through.
func tapByName(name string) (*netlink.Tuntap, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("finding tap %s: %w", name, err)
	}
	tap, ok := link.(*netlink.Tuntap)
	if !ok || tap.Mode != netlink.TUNTAP_MODE_TAP {
		return nil, fmt.Errorf("%w: %s is a %s, not a tap", ErrTapInUse, name, link.Type())
	}
	if tap.Flags&netlink.TUNTAP_VNET_HDR == 0 {
		return nil, fmt.Errorf("%w: %s was made without vnet_hdr: make it with `ip tuntap add %s mode tap vnet_hdr`, or let attach make it", ErrTapInUse, name, name)
	}
	return tap, nil
}

// ensureTap finds or makes the tap; made says which. One that is made is persistent.
func ensureTap(cfg *Config) (tap *netlink.Tuntap, made bool, err error) {
	tap, err = tapByName(cfg.Tap)
	if !errors.As(err, &netlink.LinkNotFoundError{}) {
		return tap, false, err
	}
	f, err := openQueue(cfg.Tap, cfg.Queues)
	if err != nil {
		return nil, false, err
	}
	defer f.Close() // the tap goes with it unless it is persistent
	fd := int(f.Fd())
	if cfg.TapUID >= 0 {
		if err := unix.IoctlSetInt(fd, unix.TUNSETOWNER, cfg.TapUID); err != nil {
			return nil, false, fmt.Errorf("giving tap %s to uid %d: %w", cfg.Tap, cfg.TapUID, err)
		}
	}
	if cfg.TapGID >= 0 {
		if err := unix.IoctlSetInt(fd, unix.TUNSETGROUP, cfg.TapGID); err != nil {
			return nil, false, fmt.Errorf("giving tap %s to gid %d: %w", cfg.Tap, cfg.TapGID, err)
		}
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return nil, false, fmt.Errorf("making tap %s persistent: %w", cfg.Tap, err)
	}
	tap, err = tapByName(cfg.Tap)
	if err != nil {
		return nil, false, errors.Join(err, unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 0))
	}
	return tap, true, nil
}

// configureTap makes the tap look like the guest's gateway: its MAC and addresses, by netlink, so that the kernel
// answers ARP, neighbour solicitations and pings, and a pod process can reach the guest's private address.
func configureTap(tap netlink.Link, a *Addresses) error {
	name := tap.Attrs().Name
	if tap.Attrs().HardwareAddr.String() != GatewayMAC.String() {
		if err := netlink.LinkSetHardwareAddr(tap, GatewayMAC); err != nil {
			return fmt.Errorf("setting the gateway's MAC on %s: %w", name, err)
		}
	}
	if tap.Attrs().MTU != a.MTU {
		if err := netlink.LinkSetMTU(tap, a.MTU); err != nil {
			return fmt.Errorf("setting the MTU of %s to %d: %w", name, a.MTU, err)
		}
	}
	var addrs []netip.Prefix
	if a.Gateway4.IsValid() {
		addrs = append(addrs, netip.PrefixFrom(a.Gateway4, a.Prefix4.Bits()))
	}
	if a.Gateway6.IsValid() {
		addrs = append(addrs, netip.PrefixFrom(a.Gateway6, a.Prefix6.Bits()), netip.PrefixFrom(GatewayLinkLocal, 64))
	}
	for _, p := range addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(tap, addr); err != nil {
			return fmt.Errorf("giving %s the gateway's address %s: %w", name, p, err)
		}
	}
	if err := netlink.LinkSetUp(tap); err != nil {
		return fmt.Errorf("setting %s up: %w", name, err)
	}
	return nil
}

// unconfigureTap takes the gateway's addresses off a tap that stays.
func unconfigureTap(tap netlink.Link, a *Addresses) error {
	var errs []error
	for _, gateway := range []netip.Addr{a.Gateway4, a.Gateway6, GatewayLinkLocal} {
		addrs, err := netlink.AddrList(tap, netlink.FAMILY_ALL)
		errs = append(errs, err)
		for _, addr := range addrs {
			if ip, ok := netip.AddrFromSlice(addr.IP); ok && ip.Unmap() == gateway {
				errs = append(errs, netlink.AddrDel(tap, &addr))
			}
		}
	}
	return errors.Join(errs...)
}
