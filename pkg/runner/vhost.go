// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// vhostDevice is the kernel's back end of virtio-net: it moves packets between tap and guest past QEMU.
const vhostDevice = "/dev/vhost-net"

// openVhost opens the device once for each queue. Returns no file where the kernel has no vhost-net.
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
			for _, f := range files {
				f.Close()
			}
			return nil, fmt.Errorf("open a queue of vhost-net: %w", err)
		}
	}
	return files, nil
}
