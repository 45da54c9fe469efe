// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/vishvananda/netlink"
)

// Attach joins a tap to its pod's NIC, or brings what is joined already into line with cfg, without losing a packet or
// a flow. On error a first attach leaves nothing behind, a later one what was there before, in working order.
func Attach(cfg Config) (*NIC, error) {
	start := time.Now()
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("attaching %s: %w", cfg.Tap, err)
	}
	go embedded() // is needed later, and takes a while
	var nic *NIC
	err := inNetNS(cfg.NetNS, func(cookie uint64) error {
		unlock, err := openStore()
		if err != nil {
			return err
		}
		defer unlock()
		_, _ = sweep() // of pods that ended without detaching; what can't be swept is Sweep's to report
		nic, err = attachHere(&cfg, key(cookie, cfg.Tap), start)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attaching %s: %w", cfg.Tap, err)
	}
	return nic, nil
}

// attachHere works in the pod's namespace, under the lock.
func attachHere(cfg *Config, key string, start time.Time) (*NIC, error) {
	was, err := readRecord(key)
	if errors.Is(err, fs.ErrNotExist) {
		err = refuseSecond(key)
	}
	if err != nil {
		return nil, err
	}
	rec, tap, err := plan(key, cfg, was, start)
	if err != nil {
		return nil, err
	}
	if err := rec.write(key); err != nil {
		return nil, err
	}
	nic, err := carryOut(key, rec, was, tap)
	if err == nil {
		rec.Programs, rec.TookMS = programsDigest(), float64(time.Since(start).Microseconds())/1000
		if err = rec.write(key); err == nil {
			return nic, nil
		}
		nic.Close()
	}
	if was == nil {
		return nil, errors.Join(err, undo(key, rec))
	}
	return nil, errors.Join(err, rec.fallBack(was).write(key))
}

// refuseSecond: a pod's addresses serve one guest.
func refuseSecond(key string) error {
	keys, err := attachedKeys()
	if err != nil {
		return err
	}
	for _, other := range keys {
		if cookieOf(other) != cookieOf(key) {
			continue
		}
		if r, err := readRecord(other); err == nil {
			return fmt.Errorf("%w: %s already serves %s, and a pod has one masqueraded guest: detach that first", ErrInvalid, r.Config.NIC, r.Config.Tap)
		}
	}
	return nil
}

// carryOut does what rec says; tap is nil where it must be made. What is in place already stays.
func carryOut(key string, rec, was *record, tap *netlink.Tuntap) (*NIC, error) {
	if tap == nil {
		var err error
		if tap, err = makeTap(&rec.Config); err != nil {
			return nil, err
		}
		rec.Constants.TapIndex = tap.Attrs().Index
	}
	if was == nil || !was.runs(key, rec) {
		return replacePrograms(key, rec, was, tap)
	}
	if err := setUpPod(tap, rec); err != nil {
		return nil, err
	}
	if err := setUp(tap); err != nil {
		return nil, err
	}
	nic, err := openNIC(key, rec)
	if err != nil {
		return nil, err
	}
	if err := setSettings(&nic.maps, rec.Config.Ports, rec.Config.MAC); err != nil {
		nic.Close()
		return nil, err
	}
	return nic, nil
}

// setUpPod prepares sysctls and tap, short of setting that up; everything it does is idempotent.
func setUpPod(tap *netlink.Tuntap, rec *record) error {
	addresses := rec.Constants.Addresses
	if rec.Constants.XDP {
		if err := setGRO(rec.Config.NIC, true); err != nil {
			return err
		}
	}
	if err := setLoopback(max(addresses.MTU, minMTU6)); err != nil {
		return err
	}
	if addresses.Pod4.IsValid() {
		if err := setSysctls(podSysctls()); err != nil {
			return err
		}
	}
	sysctls := tapSysctls(rec.Config.Tap)
	if !addresses.Pod6.IsValid() {
		sysctls = sysctls[:len(sysctls)-1] // IPv6 may stay off
	}
	if err := setSysctls(sysctls); err != nil {
		return err
	}
	return beGateway(tap, rec)
}
