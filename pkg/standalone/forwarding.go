// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// A setting is a sysctl of the host: what it was before the first pod, and what it is while there are pods.
type setting struct {
	Key string `json:"key"` // its path under /proc/sys
	Was string `json:"was"`
	Now string `json:"now"`
}

// hostState is what has to be put back, in the order in which it was changed.
type hostState struct {
	Settings   []setting `json:"settings"`
	Forwarders []string  `json:"forwarders"` // see forwarders
}

// enableForwarding makes a router of the host and records what that changes, before it does.
func enableForwarding() error {
	wanted, err := forwardingSettings()
	if err != nil || !slices.ContainsFunc(wanted, func(s setting) bool { return s.Was != s.Now }) {
		return err
	}
	var state hostState
	switch err := readJSON(hostFile, &state); {
	case errors.Is(err, fs.ErrNotExist):
		if state.Forwarders, err = forwarders(); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	for _, s := range wanted {
		// What is on record already was so before the first pod; somebody has changed it back since.
		if !slices.ContainsFunc(state.Settings, func(old setting) bool { return old.Key == s.Key }) {
			state.Settings = append(state.Settings, s)
		}
	}
	if err := writeJSON(hostFile, state); err != nil {
		return fmt.Errorf("record the host's settings: %w", err)
	}
	for _, s := range wanted {
		if s.Was != s.Now {
			if err := setSysctl(s.Key, s.Now); err != nil {
				return fmt.Errorf("let the host forward packets: %w", err)
			}
		}
	}
	return nil
}

// forwardingSettings lists what forwarding needs, and what the kernel changes along with it, in the order in
// which they are set. Settings that are the same before and after are there to be put back: the master
// switches overwrite the settings of each device.
func forwardingSettings() ([]setting, error) {
	var settings []setting
	master := func(key string, sideEffects func() error) error {
		was, err := sysctl(key)
		if err != nil {
			return fmt.Errorf("read whether the host forwards packets: %w", err)
		}
		if was != "0" {
			return nil
		}
		if err := sideEffects(); err != nil {
			return err
		}
		settings = append(settings, setting{key, was, "1"})
		return nil
	}
	each := func(pattern, value, now string) error {
		keys, err := sysctlsWith(pattern, value)
		for _, key := range keys {
			settings = append(settings, setting{key, value, now})
		}
		return err
	}
	err := master("net/ipv4/ip_forward", func() error {
		// Documented in the kernel's ip-sysctl.rst: the switch resets both.
		return errors.Join(
			each("net/ipv4/conf/all/accept_redirects", "0", "0"),
			each("net/ipv4/conf/*/forwarding", "1", "1"))
	})
	if err != nil || !hostHasIPv6() {
		return settings, err
	}
	err = master("net/ipv6/conf/all/forwarding", func() error {
		forwarding, err := sysctlsWith("net/ipv6/conf/*/forwarding", "1")
		if err != nil {
			return err
		}
		listening, err := sysctlsWith("net/ipv6/conf/*/accept_ra", "1")
		if err != nil {
			return err
		}
		for _, key := range listening {
			// With 1, a router ignores advertisements and the kernel drops the default route that came by
			// one. A device that forwards already ignores them, and goes on doing so; for lo and all the
			// setting means nothing.
			switch device := path.Dir(key); path.Base(device) {
			case "lo", "all":
			default:
				if !slices.Contains(forwarding, device+"/forwarding") {
					settings = append(settings, setting{key, "1", "2"})
				}
			}
		}
		for _, key := range forwarding {
			settings = append(settings, setting{key, "1", "1"})
		}
		return nil
	})
	return settings, err
}

// sysctlsWith lists the settings that match a pattern and have a value.
func sysctlsWith(pattern, value string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join("/proc/sys", pattern))
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, path := range paths {
		key, err := filepath.Rel("/proc/sys", path)
		if err != nil {
			return nil, err
		}
		switch found, err := sysctl(key); {
		case errors.Is(err, fs.ErrNotExist): // the device has gone
		case err != nil:
			return nil, err
		case found == value:
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// restoreForwarding puts the settings back, unless somebody else relies on them by now.
func restoreForwarding(log *slog.Logger) error {
	var state hostState
	err := readJSON(hostFile, &state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	chains, err := forwarders()
	if err != nil {
		return err
	}
	newcomers := slices.DeleteFunc(chains, func(chain string) bool {
		return slices.Contains(state.Forwarders, chain)
	})
	if len(newcomers) > 0 {
		log.Warn("IP forwarding stays on: other firewall chains have come to use it", "chains", newcomers)
		return removeFile(hostFile)
	}
	var errs []error
	for _, s := range slices.Backward(state.Settings) {
		errs = append(errs, s.restore())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("put the host's settings back: %w", err)
	}
	return removeFile(hostFile)
}

// restore leaves alone what somebody else has set since, and devices that have gone.
func (s setting) restore() error {
	found, err := sysctl(s.Key)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil || found == s.Was || s.Was != s.Now && found != s.Now {
		return err
	}
	return setSysctl(s.Key, s.Was)
}
