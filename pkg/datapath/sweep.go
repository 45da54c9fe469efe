// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"
)

// Sweep removes pins and records of NICs whose network namespace is gone, and returns their keys: cookie and tap.
func Sweep() (swept []string, err error) {
	unlock, err := openStore()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return sweep()
}

// sweep works under the lock.
func sweep() (swept []string, err error) {
	keys, err := attachedKeys()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, k := range keys {
		dead, err := isDead(k)
		if err == nil && dead {
			if err = errors.Join(removePins(pinDir(k)), removeRecord(k)); err == nil {
				swept = append(swept, k)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweeping %s: %w", k, err))
		}
	}
	return swept, errors.Join(errs...)
}

// isDead tells whether the namespace is gone. It is sure of itself: as long as a namespace lives, our link hangs on
// its lo. Without a link (on a kernel without TCX, or after an Attach that was killed) it lives if the recorded path
// leads to it, if it has a name, or if any process is in it.
func isDead(key string) (bool, error) {
	alive, err := loopbackHook.linkAlive(loopbackHook.pin(pinDir(key)))
	if !errors.Is(err, fs.ErrNotExist) {
		return !alive, err
	}
	if rec, err := readRecord(key); err == nil && leadsTo(rec.Config.NetNS, cookieOf(key)) {
		return false, nil
	}
	found, err := findNetNS(cookieOf(key))
	return found == "", err
}

// findNetNS looks for a namespace where they are usually held; "" when it isn't there.
func findNetNS(cookie string) (string, error) {
	seen := map[uint64]bool{} // inodes: most processes share one
	for _, pattern := range []string{"/run/netns/*", "/proc/[0-9]*/ns/net"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, path := range paths {
			var stat unix.Stat_t
			if err := unix.Stat(path, &stat); err != nil || seen[stat.Ino] {
				continue
			}
			seen[stat.Ino] = true
			if leadsTo(path, cookie) {
				return path, nil
			}
		}
	}
	return "", nil
}

// leadsTo tells whether path is a network namespace with this cookie.
func leadsTo(path, cookie string) bool {
	netns, err := ns.GetNS(path)
	if err != nil {
		return false
	}
	defer netns.Close()
	var found uint64
	err = netns.Do(func(ns.NetNS) error {
		found, err = netnsCookie()
		return err
	})
	return err == nil && strconv.FormatUint(found, 16) == cookie
}
