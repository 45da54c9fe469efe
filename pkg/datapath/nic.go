// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
)

// NIC is an attached guest NIC, opened for reading. Closing it leaves the datapath as it is.
type NIC struct {
	key    string
	record *record
	maps   masqueradeMaps
	clock  *ebpf.Program
}

// Config is what the NIC was attached with, defaults filled in.
func (n *NIC) Config() Config { return n.record.Config }

// Addresses are what the datapath translates between, as found when it was attached.
func (n *NIC) Addresses() Addresses { return *n.record.Constants.Addresses }

// Close releases the descriptors.
func (n *NIC) Close() error {
	return errors.Join(n.maps.Close(), n.clock.Close())
}

// Open finds the NIC that is attached to this tap; errors.Is(err, fs.ErrNotExist) when none is.
func Open(netns, tap string) (nic *NIC, err error) {
	err = inNetNS(netns, func(cookie uint64) error {
		nic, err = openKey(key(cookie, tap))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening the datapath of %s: %w", tap, err)
	}
	return nic, nil
}

// List opens every NIC that is attached on this machine. Records of namespaces that are gone are Sweep's.
func List() ([]*NIC, error) {
	keys, err := attachedKeys()
	if err != nil {
		return nil, err
	}
	var nics []*NIC
	for _, k := range keys {
		nic, err := openKey(k)
		if errors.Is(err, fs.ErrNotExist) {
			continue // being attached or detached just now, or half swept
		}
		if err != nil {
			return nics, fmt.Errorf("opening the datapath %s: %w", k, err)
		}
		nics = append(nics, nic)
	}
	return nics, nil
}

func openKey(key string) (*NIC, error) {
	rec, err := readRecord(key)
	if err != nil {
		return nil, err
	}
	return openNIC(key, rec)
}

func openNIC(key string, rec *record) (_ *NIC, err error) {
	nic := &NIC{key: key, record: rec}
	dir := pinDir(key)
	defer func() {
		if err != nil {
			nic.Close()
		}
	}()
	for name, slot := range pinnedMaps(&nic.maps) {
		if *slot, err = ebpf.LoadPinnedMap(filepath.Join(dir, name), nil); err != nil {
			return nil, fmt.Errorf("opening the pinned map %s: %w", name, err)
		}
	}
	if nic.clock, err = ebpf.LoadPinnedProgram(filepath.Join(dir, masqueradeProgTapirClock), nil); err != nil {
		return nil, fmt.Errorf("opening the pinned clock: %w", err)
	}
	return nic, nil
}

// pinnedMaps says where each map goes that outlives its programs.
func pinnedMaps(m *masqueradeMaps) map[string]**ebpf.Map {
	return map[string]**ebpf.Map{
		masqueradeMapFlows:     &m.Flows,
		masqueradeMapContested: &m.Contested,
		masqueradeMapOwners:    &m.Owners,
		masqueradeMapPorts:     &m.Ports,
		masqueradeMapFragments: &m.Fragments,
		masqueradeMapState:     &m.State,
		masqueradeMapCounters:  &m.Counters,
		masqueradeMapDrops:     &m.Drops,
		masqueradeMapEvents:    &m.Events,
	}
}

// pinObjects pins maps and clock; a map that replaced another takes over its pin.
func pinObjects(dir string, objs *masqueradeObjects) error {
	type pinnable interface{ Pin(string) error }
	pin := func(name string, obj pinnable, same bool) error {
		path := filepath.Join(dir, name)
		if same {
			return nil
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replacing the pin %s: %w", name, err)
		}
		if err := obj.Pin(path); err != nil {
			return fmt.Errorf("pinning %s: %w", name, err)
		}
		return nil
	}
	for name, slot := range pinnedMaps(&objs.masqueradeMaps) {
		if err := pin(name, *slot, (*slot).IsPinned()); err != nil {
			return err
		}
	}
	return pin(masqueradeProgTapirClock, objs.TapirClock, false)
}

func closeMaps(maps map[string]*ebpf.Map) {
	for _, m := range maps {
		m.Close()
	}
}

func splitKey(key string) (cookie, tap string) {
	cookie, tap, _ = strings.Cut(key, "-")
	return cookie, tap
}
