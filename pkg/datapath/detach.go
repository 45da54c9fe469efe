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

// forget removes what was attached by a path that leads nowhere any more. The namespace may live on by another name, or
// in a process: then everything is undone there. Else nobody can get at it, or the kernel is taking it down: what is
// in it goes with it.
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
		rec, err := readRecord(k)
		if err != nil || rec.Config.NetNS != netns || rec.Config.Tap != tap {
			continue
		}
		path, err := findNetNS(cookieOf(k))
		switch {
		case err != nil:
		case path == "":
			err = errors.Join(removePins(pinDir(k)), removeRecord(k))
		default:
			err = inNetNS(path, func(uint64) error { return undo(k, rec) })
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// undo runs in the pod's namespace, under the lock. It goes on after an error, and keeps the record then, so that
// trying again finds what is left.
func undo(key string, rec *record) error {
	var errs []error
	for _, h := range everyHook(&rec.Constants) {
		errs = append(errs, h.remove(pinDir(key), rec))
	}
	if rec.GRO != nil {
		errs = append(errs, setGRO(rec.Config.NIC, *rec.GRO))
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
	link, err := netlink.LinkByName(r.Config.Tap)
	if errors.As(err, &netlink.LinkNotFoundError{}) || err == nil && !r.knows(link) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finding tap %s: %w", r.Config.Tap, err)
	}
	tap, ok := link.(*netlink.Tuntap)
	if !ok {
		return nil
	}
	if r.Tap != nil {
		return r.Tap.restore(tap, r.Given)
	}
	if err := netlink.LinkDel(tap); err != nil {
		return fmt.Errorf("removing tap %s: %w", r.Config.Tap, err)
	}
	return nil
}
