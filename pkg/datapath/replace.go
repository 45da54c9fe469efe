// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

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
	specs := []*ebpf.CollectionSpec{spec}
	if rec.Constants.XDP {
		fast, err := specialiseFastpath(&rec.Constants, rec.Config.Flows)
		if err != nil {
			return nil, err
		}
		specs = append(specs, fast)
	}
	if reuse[masqueradeMapFlows] != nil || before[masqueradeMapFlows] == nil {
		delete(spec.Programs, masqueradeProgTapirCarry) // nothing to carry
	}
	l, err := load(specs, reuse)
	if err != nil {
		return nil, err
	}
	surveyor, err := l.install(key, rec, was, tap, before, reuse)
	l.close()
	if err != nil {
		return nil, errors.Join(err, l.maps.Close())
	}
	return &NIC{key: key, record: rec, maps: l.maps, surveyor: surveyor}, nil
}

// install hangs and pins what is being loaded.
//
// A flow table of another size is the one map that old and new programs don't share while their links are swapped. That
// is harmless, since it is a cache: what one program writes down in its table, another, which sees the answer, doesn't
// find in its own, and decides again from maps that are shared (contested tuples, owners) and from the pod's
// sockets, as after an eviction, with the same result. Nor can what is carried over afterwards contradict: where a new
// program has decided, its entry stays; else the old one's is the last decision there was. Only its counts, from
// the first copy to the second, are lost for flows that are in both.
func (l *loading) install(key string, rec, was *record, tap *netlink.Tuntap, before, kept map[string]*ebpf.Map) (*ebpf.Program, error) {
	var resized *ebpf.Map
	if kept[masqueradeMapFlows] == nil {
		resized = before[masqueradeMapFlows]
	}
	if err := l.carryFlows(resized); err != nil {
		return nil, err
	}
	unread := kept[masqueradeMapSettings] == nil // by any program that hangs
	if err := l.hang(key, rec, was, tap, unread); err != nil {
		return nil, err
	}
	if !unread { // last, so that what fails before leaves those that were
		if err := setSettings(&l.maps, rec.Config.Ports, rec.Config.MAC); err != nil {
			return nil, err
		}
	}
	// Flows that the old programs began in the meantime.
	if err := l.carryFlows(resized); err != nil {
		return nil, err
	}
	return l.pin(pinDir(key), kept)
}

// hang puts the programs in their places, which a first attach takes while the verifier works: each costs it a wait
// until every CPU has noticed, replacing a program doesn't. Where others hang already, they work on until then. The tap
// is set up last: no frame of the guest's gets past its program.
func (l *loading) hang(key string, rec, was *record, tap *netlink.Tuntap, unread bool) error {
	if was != nil {
		if err := l.wait(); err != nil {
			return err
		}
		if err := leaveOldPlaces(key, rec, was); err != nil {
			return err
		}
	}
	if err := setUpPod(tap, rec); err != nil {
		return err
	}
	if err := takePlaces(pinDir(key), hooks(&rec.Constants)); err != nil {
		return err
	}
	if err := l.wait(); err != nil {
		return err
	}
	if unread {
		if err := setSettings(&l.maps, rec.Config.Ports, rec.Config.MAC); err != nil {
			return err
		}
	}
	for _, h := range hooks(&rec.Constants) {
		program, err := l.programs[h.name]()
		if err != nil {
			return err
		}
		if err := h.hang(key, rec, program); err != nil {
			return err
		}
	}
	return setUp(tap)
}

// leaveOldPlaces removes the programs from devices that are no longer the NIC's or the tap, and those no longer used.
func leaveOldPlaces(key string, rec, was *record) error {
	places := hooks(&rec.Constants)
	for _, h := range everyHook(&was.Constants) {
		if slices.Contains(places, h) {
			continue
		}
		if err := h.remove(pinDir(key), was); err != nil {
			return err
		}
	}
	return nil
}

// pin pins maps and surveyor, those in kept aside, which are pinned already.
func (l *loading) pin(dir string, kept map[string]*ebpf.Map) (*ebpf.Program, error) {
	for name, slot := range pinnedMaps(&l.maps) {
		if kept[name] != nil {
			continue
		}
		if err := pinOver(dir, name, *slot); err != nil {
			return nil, err
		}
	}
	surveyor, err := l.programs[masqueradeProgTapirSurvey]()
	if err != nil {
		return nil, err
	}
	if err := pinOver(dir, masqueradeProgTapirSurvey, surveyor); err != nil {
		return nil, err
	}
	return surveyor.Clone()
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

// carryFlows copies a flow table to the one that is being loaded, which has another size. What is there already stays. A table
// of another layout, from another version's programs, is left behind: it is a cache.
func (l *loading) carryFlows(from *ebpf.Map) error {
	to := l.maps.Flows
	if from == nil || from.Type() != to.Type() || from.ValueSize() != to.ValueSize() {
		return nil
	}
	carry, err := l.programs[masqueradeProgTapirCarry]()
	if err != nil {
		return err
	}
	var failed error
	err = eachFlow(from, func(slot uint32, f *masqueradeFlow) {
		if failed != nil {
			return
		}
		var again masqueradeFlow // what is being written may be read as a mixture, but not twice as the same
		err := from.Lookup(slot, &again)
		if err == nil && again.Tuple == f.Tuple && again.Remote == f.Remote {
			var entry []byte
			if entry, err = binary.Append(nil, binary.NativeEndian, f); err == nil {
				_, err = carry.Run(&ebpf.RunOptions{Data: entry})
			}
		}
		if err != nil {
			failed = fmt.Errorf("copying the flow table: %w", err)
		}
	})
	return errors.Join(err, failed)
}
