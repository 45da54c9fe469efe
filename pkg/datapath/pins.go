// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// pinnedMaps says where each map goes that outlives its programs.
func pinnedMaps(m *masqueradeMaps) map[string]**ebpf.Map {
	return map[string]**ebpf.Map{
		masqueradeMapFlows:     &m.Flows,
		masqueradeMapContested: &m.Contested,
		masqueradeMapOwners:    &m.Owners,
		masqueradeMapPorts:     &m.Ports,
		masqueradeMapFragments: &m.Fragments,
		masqueradeMapSettings:  &m.Settings,
		masqueradeMapState:     &m.State,
		masqueradeMapCounters:  &m.Counters,
		masqueradeMapDrops:     &m.Drops,
		masqueradeMapEvents:    &m.Events,
	}
}

func openPinned(dir, name string, slot **ebpf.Map) (err error) {
	if *slot, err = ebpf.LoadPinnedMap(filepath.Join(dir, name), nil); err != nil {
		return fmt.Errorf("opening the pinned map %s: %w", name, err)
	}
	return nil
}

// pinOver pins an object in the place of another one, or of none. A reader finds the one or the other.
func pinOver(dir, name string, object interface{ Pin(string) error }) error {
	path, next := filepath.Join(dir, name), filepath.Join(dir, name+"_next")
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pinning %s: %w", name, err)
	}
	if err := object.Pin(next); err != nil {
		return fmt.Errorf("pinning %s: %w", name, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("pinning %s: %w", name, err)
	}
	return nil
}

// removePins unpins all that is below dir: links without another holder are detached by that, maps freed.
func removePins(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing pins: %w", err)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing pin: %w", err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the directory of pins: %w", err)
	}
	return nil
}

func closeMaps(maps map[string]*ebpf.Map) {
	for _, m := range maps {
		m.Close()
	}
}
