// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf/link"
	"github.com/containernetworking/plugins/pkg/ns"
)

// Sweep removes pins and records of NICs whose network namespace is gone, and returns their names.
func Sweep() (swept []string, err error) {
	if err := prepareStore(); err != nil {
		return nil, err
	}
	unlock, err := lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	keys, err := attachedKeys()
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		dead, err := isDead(k)
		if err != nil {
			return swept, fmt.Errorf("sweeping %s: %w", k, err)
		}
		if !dead {
			continue
		}
		if err := removePins(pinDir(k)); err != nil {
			return swept, fmt.Errorf("sweeping %s: %w", k, err)
		}
		if err := os.Remove(recordPath(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return swept, fmt.Errorf("sweeping %s: %w", k, err)
		}
		swept = append(swept, k)
	}
	return swept, nil
}

// isDead is sure of itself: a namespace lives if a link of ours still hangs in it, if the recorded path still leads to
// it, or if any process is in it.
func isDead(key string) (bool, error) {
	pins, err := filepath.Glob(filepath.Join(pinDir(key), "link_*"))
	if err != nil {
		return false, err
	}
	for _, pin := range pins {
		l, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			return false, fmt.Errorf("opening a pinned link: %w", err)
		}
		info, err := l.Info()
		l.Close()
		if err == nil && info.TCX() != nil && info.TCX().Ifindex != 0 {
			return false, nil
		}
	}
	cookie, _ := splitKey(key)
	if rec, err := readRecord(key); err == nil && leadsTo(rec.Config.NetNS, cookie) {
		return false, nil
	}
	for _, pattern := range []string{"/run/netns/*", "/var/run/netns/*", "/proc/[0-9]*/ns/net"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return false, err
		}
		for _, path := range paths {
			if leadsTo(path, cookie) {
				return false, nil
			}
		}
	}
	return true, nil
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
