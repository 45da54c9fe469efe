// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/vishvananda/netlink"
)

// Repair attaches again, as it is configured, each NIC that has changed since in ways that attaching mends: programs that
// somebody took away, an XDP way out that the pod NIC no longer takes, or takes again. It returns their keys. What it can't
// look at (the path to the namespace is stale, or the tap has gone) it leaves alone. The error tells of each NIC that
// can't be mended.
func Repair() (repaired []string, err error) {
	nics, err := List()
	errs := []error{err}
	for _, n := range nics {
		mended, err := n.repair()
		if err != nil {
			errs = append(errs, fmt.Errorf("repairing %s: %w", n.key, err))
		} else if mended {
			repaired = append(repaired, n.key)
		}
		n.Close()
	}
	return repaired, errors.Join(errs...)
}

func (n *NIC) repair() (mended bool, err error) {
	if !leadsTo(n.record.Config.NetNS, cookieOf(n.key)) {
		return false, nil
	}
	err = n.inPod(func() error {
		unlock, err := openStore()
		if err != nil {
			return err
		}
		defer unlock()
		rec, err := readRecord(n.key) // anew, under the lock
		if errors.Is(err, fs.ErrNotExist) {
			return nil // detached by now
		}
		if err != nil {
			return err
		}
		strayed, err := rec.strayed(pinDir(n.key))
		if !strayed || err != nil {
			return err
		}
		again, err := attachHere(&rec.Config, n.key, time.Now())
		if err != nil {
			return err
		}
		mended = true
		return again.Close()
	})
	return mended, err
}

// strayed tells whether attaching again would change something. It works in the pod's namespace. A pod NIC or tap that
// has gone is nothing to mend: the pod, or the guest, is about to.
func (r *record) strayed(dir string) (bool, error) {
	nic, err := netlink.LinkByIndex(r.Constants.NICIndex)
	if err != nil {
		return false, ignoreMissingLink(err)
	}
	tap, err := netlink.LinkByIndex(r.Constants.TapIndex)
	if err != nil {
		return false, ignoreMissingLink(err)
	}
	if !allHang(dir, &r.Constants) {
		return true, nil
	}
	if !r.Constants.XDP {
		return false, nil
	}
	if (r.xdpOutObstacle(nic, tap, dir) == nil) != r.Constants.XDPOut {
		return true, nil
	}
	gro, err := hasGRO(nic.Attrs().Name)
	return !gro, err
}

func ignoreMissingLink(err error) error {
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	return fmt.Errorf("looking at the pod's devices: %w", err)
}
