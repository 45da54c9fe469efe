// SPDX-License-Identifier: Apache-2.0

package shuttle

import (
	"errors"
	"fmt"
	"os"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"
)

// headerSize is that of struct virtio_net_hdr_mrg_rxbuf (linux/virtio_net.h), which virtio 1 guests use.
const headerSize = 12

// Offloads that both ends of a shuttle accept, TUNSETOFFLOAD of linux/if_tun.h: what a Linux guest
// negotiates. UDP segmentation came with Linux 6.2; x/sys/unix doesn't know it yet.
const (
	offloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	udpOffloads = 0x20 | 0x40 // TUN_F_USO4 | TUN_F_USO6
)

// Open opens the single-queue tap called name in netns, with virtio_net_hdr and every offload that
// the kernel has. A tap that doesn't exist is made, and goes when the file is closed.
//
// An existing tap must have been made with vnet_hdr and without multi_queue: TUNSETIFF with other flags
// than its own would change it under its owner.
func Open(netns ns.NetNS, name string) (*os.File, error) {
	var tap *os.File
	err := netns.Do(func(ns.NetNS) (err error) {
		tap, err = open(name)
		return err
	})
	return tap, err
}

func open(name string) (*os.File, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("naming tap %q: %w", name, err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)

	// Non-blocking, so that the Go runtime polls the file and a deadline can end a read.
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun for tap %s: %w", name, err)
	}
	if err := configure(fd, request); err != nil {
		return nil, errors.Join(fmt.Errorf("opening tap %s: %w", name, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

func configure(fd int, request *unix.Ifreq) error {
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("TUNSETIFF (is it in use, or multi-queue?): %w", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, headerSize); err != nil {
		return fmt.Errorf("TUNSETVNETHDRSZ: %w", err)
	}
	err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads|udpOffloads)
	if errors.Is(err, unix.EINVAL) {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads)
	}
	if err != nil {
		return fmt.Errorf("TUNSETOFFLOAD: %w", err)
	}
	return nil
}
