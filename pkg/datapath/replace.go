// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

// replacePrograms loads the programs for rec and hangs them in the place of what is there, with the maps that are.
func replacePrograms(key string, rec, was *record, tap *netlink.Tuntap) (*NIC, error) {
	dir := pinDir(key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory for pins: %w", err)
	}
	spec, err := specialise(&rec.Constants, rec.Config.Flows)
	if err != nil {
		return nil, err
	}
	before, err := openPinnedMaps(dir)
	defer closeMaps(before)
	if err != nil {
		return nil, err
	}
	reuse := reusable(before, spec)
	l, err := load(spec, reuse)
	if err != nil {
		return nil, err
	}
	defer l.close()
	nic := &NIC{key: key, record: rec, maps: l.maps}
	var resized *ebpf.Map
	if reuse[masqueradeMapFlows] == nil {
		resized = before[masqueradeMapFlows]
	}
	err = carryFlows(resized, l.maps.Flows, ebpf.UpdateAny)
	if err == nil {
		err = l.hang(key, rec, was, tap)
	}
	if err == nil {
		// Flows that the old programs began in the meantime.
		err = carryFlows(resized, l.maps.Flows, ebpf.UpdateNoExist)
	}
	if err == nil {
		nic.clock, err = l.pin(dir, reuse)
	}
	if err != nil {
		return nil, errors.Join(err, nic.Close())
	}
	return nic, nil
}

// hang puts the programs in their places. Where others hang already, these work on until all of the new are loaded.
func (l *loading) hang(key string, rec, was *record, tap *netlink.Tuntap) error {
	if was != nil {
		if err := l.wait(); err != nil {
			return err
		}
	}
	if err := setUpPod(tap, rec); err != nil {
		return err
	}
	if err := setState(&l.maps, rec.Config.Ports, rec.Config.MAC); err != nil {
		return err
	}
	places := hooks(&rec.Constants)
	if was != nil {
		for i, h := range hooks(&was.Constants) {
			if h.ifindex == places[i].ifindex {
				continue
			}
			if err := h.remove(pinDir(key), was); err != nil { // its device is another one now
				return err
			}
		}
	}
	for _, h := range places {
		program, err := l.programs[h.name]()
		if err != nil {
			return err
		}
		if err := h.hang(key, rec, program); err != nil {
			return err
		}
	}
	return nil
}

// pin pins maps and clock, those in kept aside, which are pinned already.
func (l *loading) pin(dir string, kept map[string]*ebpf.Map) (*ebpf.Program, error) {
	for name, slot := range pinnedMaps(&l.maps) {
		if kept[name] != nil {
			continue
		}
		if err := pinOver(dir, name, *slot); err != nil {
			return nil, err
		}
	}
	clock, err := l.programs[masqueradeProgTapirClock]()
	if err != nil {
		return nil, err
	}
	if err := pinOver(dir, masqueradeProgTapirClock, clock); err != nil {
		return nil, err
	}
	return clock.Clone()
}

// openPinnedMaps opens what is pinned already.
func openPinnedMaps(dir string) (map[string]*ebpf.Map, error) {
	pinned := map[string]*ebpf.Map{}
	for name, slot := range pinnedMaps(&masqueradeMaps{}) {
		err := openPinned(dir, name, slot)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return pinned, err
		}
		if err == nil {
			pinned[name] = *slot
		}
	}
	return pinned, nil
}

// reusable picks the maps that new programs take over: all whose layout is still the same.
func reusable(pinned map[string]*ebpf.Map, spec *ebpf.CollectionSpec) map[string]*ebpf.Map {
	reuse := map[string]*ebpf.Map{}
	for name, m := range pinned {
		if spec.Maps[name].Compatible(m) == nil {
			reuse[name] = m
		}
	}
	return reuse
}

// carryFlows copies a flow table to one of another size. A table of another layout, from another version's
// programs, is left behind: it is a cache.
func carryFlows(from, to *ebpf.Map, how ebpf.MapUpdateFlags) error {
	if from == nil || from.KeySize() != to.KeySize() || from.ValueSize() != to.ValueSize() {
		return nil
	}
	var failed error
	err := eachFlow(from, func(k *masqueradeFlowKey, v *masqueradeFlow) {
		if err := to.Update(k, v, how); err != nil && !errors.Is(err, ebpf.ErrKeyExist) && failed == nil {
			failed = fmt.Errorf("copying the flow table: %w", err)
		}
	})
	return errors.Join(err, failed)
}
