// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
)

// Detach removes all that Attach made. What is gone already, the namespace included, is no error.
func Detach(netns, tap string) error {
	err := inNetNS(netns, func(cookie uint64) error {
		if err := prepareStore(); err != nil {
			return err
		}
		unlock, err := lock()
		if err != nil {
			return err
		}
		defer unlock()
		k := key(cookie, tap)
		rec, err := readRecord(k)
		if errors.Is(err, fs.ErrNotExist) {
			return removePins(pinDir(k))
		}
		if err != nil {
			return err
		}
		return undo(k, rec)
	})
	if errors.As(err, &ns.NSPathNotExistErr{}) || errors.As(err, &ns.NSPathNotNSErr{}) {
		_, err = Sweep()
	}
	if err != nil {
		return fmt.Errorf("detaching %s: %w", tap, err)
	}
	return nil
}

// undo runs in the pod's namespace, under the lock. It goes on after an error, and keeps the record then, so that
// trying again finds what is left.
func undo(key string, rec *record) error {
	var errs []error
	for _, h := range hooks(&rec.Constants, &masqueradeObjects{}) {
		if h.ifindex != 0 {
			errs = append(errs, h.removeFilter())
		}
	}
	errs = append(errs, removePins(pinDir(key)))
	tap, err := netlink.LinkByName(rec.Config.Tap)
	switch {
	case errors.As(err, &netlink.LinkNotFoundError{}):
	case err != nil:
		errs = append(errs, fmt.Errorf("finding tap %s: %w", rec.Config.Tap, err))
	case rec.MadeTap:
		errs = append(errs, netlink.LinkDel(tap))
	case rec.Constants.Addresses != nil:
		errs = append(errs, unconfigureTap(tap, rec.Constants.Addresses))
	}
	errs = append(errs, restoreSysctls(rec.Sysctls))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.Remove(recordPath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the record: %w", err)
	}
	return nil
}
