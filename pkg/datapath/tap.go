// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"os"
	"syscall"

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
		unix.Close(fd)
		return nil, err
	}
	// Non-blocking, so that the runtime's poller takes it; and by now a tap's, of which there is something to wait for.
	return os.NewFile(uintptr(fd), name), nil
}

// tapByName finds a tap that frames with a virtio_net_hdr can be moved through.
func tapByName(name string) (*netlink.Tuntap, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("finding tap %s: %w", name, err)
	}
	if err := usable(link); err != nil {
		return nil, err
	}
	return link.(*netlink.Tuntap), nil
}

func usable(link netlink.Link) error {
	name := link.Attrs().Name
	tap, ok := link.(*netlink.Tuntap)
	if !ok || tap.Mode != netlink.TUNTAP_MODE_TAP {
		return fmt.Errorf("%w: %s is a %s, not a tap", ErrTapInUse, name, link.Type())
	}
	if tap.Flags&netlink.TUNTAP_VNET_HDR == 0 {
		return fmt.Errorf("%w: %s was made without vnet_hdr: make it with `ip tuntap add %s mode tap vnet_hdr`, or let attach make it", ErrTapInUse, name, name)
	}
	return nil
}

// makeTap makes a persistent tap, and gives it to whom the launcher's user is. No process is started meanwhile: until it
// executes its program it would hold what is open here, and with that the tap's queue, which somebody wants next.
func makeTap(cfg *Config) (*netlink.Tuntap, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := openQueue(cfg.Tap, cfg.Queues)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the tap goes with it unless it is persistent
	fd := int(f.Fd())
	for _, owner := range []struct {
		kind    string
		id      int
		request uint
	}{{"uid", cfg.TapUID, unix.TUNSETOWNER}, {"gid", cfg.TapGID, unix.TUNSETGROUP}} {
		if owner.id < 0 {
			continue
		}
		if err := unix.IoctlSetInt(fd, owner.request, owner.id); err != nil {
			return nil, fmt.Errorf("giving tap %s to %s %d: %w", cfg.Tap, owner.kind, owner.id, err)
		}
	}
	tap, err := tapByName(cfg.Tap)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return nil, fmt.Errorf("making tap %s persistent: %w", cfg.Tap, err)
	}
	return tap, nil
}
