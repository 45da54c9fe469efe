// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
)

// Detach removes all that Attach made. What is gone already, the namespace included, is no error.
func Detach(netns, tap string) error {
	err := inNetNS(netns, func(cookie uint64) error {
		unlock, err := openStore()
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
		err = forget(netns, tap)
	}
	if err != nil {
		return fmt.Errorf("detaching %s: %w", tap, err)
	}
	return nil
}

// forget removes what was attached by a path that leads nowhere any more. The kernel may still be taking the namespace
// down: that it lives is no reason to keep anything.
func forget(netns, tap string) error {
	unlock, err := openStore()
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := attachedKeys()
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range keys {
		if rec, err := readRecord(k); err == nil && rec.Config.NetNS == netns && rec.Config.Tap == tap {
			errs = append(errs, removePins(pinDir(k)), removeRecord(k))
		}
	}
	return errors.Join(errs...)
}

// undo runs in the pod's namespace, under the lock. It goes on after an error, and keeps the record then, so that
// trying again finds what is left.
func undo(key string, rec *record) error {
	var errs []error
	for _, h := range hooks(&rec.Constants) {
		errs = append(errs, h.remove(pinDir(key), rec))
	}
	errs = append(errs, removePins(pinDir(key)), rec.undoTap(), restoreSysctls(rec.Sysctls), setLoopback(rec.LoopbackMTU))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return removeRecord(key)
}

// undoTap removes the tap, or, where it was there before Attach, makes it what it was. Another one that has come in
// its place is left alone.
func (r *record) undoTap() error {
	tap, err := tapByName(r.Config.Tap)
	if errors.As(err, &netlink.LinkNotFoundError{}) || err == nil && !r.knows(tap) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.Tap != nil {
		return r.Tap.restore(tap, r.Given)
	}
	if err := netlink.LinkDel(tap); err != nil {
		return fmt.Errorf("removing tap %s: %w", r.Config.Tap, err)
	}
	return nil
}
