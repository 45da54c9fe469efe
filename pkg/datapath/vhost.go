// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// vhostDevice is the kernel's back end of virtio-net: it moves packets between tap and guest past QEMU.
const vhostDevice = "/dev/vhost-net"

// OpenVhost opens the kernel's back end of virtio-net, a file for each queue of a tap. Returns none where the kernel has no vhost-net.
func OpenVhost(queues int) ([]*os.File, error) { return openVhost(vhostDevice, queues) }

func openVhost(device string, queues int) ([]*os.File, error) {
	var files []*os.File
	for range queues {
		f, err := os.OpenFile(device, os.O_RDWR, 0)
		switch {
		case err == nil:
			files = append(files, f)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
			return nil, nil // the node is there without its module: the first open finds out
		default:
			closeAll(files)
			return nil, fmt.Errorf("open a queue of vhost-net: %w", err)
		}
	}
	return files, nil
}
