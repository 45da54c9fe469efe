// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// NIC is an attached guest NIC, opened for reading. Closing it leaves the datapath as it is.
type NIC struct {
	key      string
	record   *record
	maps     masqueradeMaps
	surveyor *ebpf.Program
}

// Config is what the NIC was attached with, defaults filled in.
func (n *NIC) Config() Config { return n.record.Config }

// Addresses are what the datapath translates between, as found when it was attached.
func (n *NIC) Addresses() Addresses { return *n.record.Constants.Addresses }

// Close releases the descriptors.
func (n *NIC) Close() error {
	return errors.Join(n.maps.Close(), n.surveyor.Close())
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

// List opens every NIC that is attached on this machine. What is left of namespaces that are gone is for Sweep. The error
// tells of each NIC that can't be opened; the others are returned beside it.
func List() (nics []*NIC, err error) {
	keys, err := attachedKeys()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, k := range keys {
		dead, err := isDead(k)
		if dead {
			continue
		}
		var nic *NIC
		if err == nil {
			nic, err = openKey(k)
		}
		switch {
		case err == nil:
			nics = append(nics, nic)
		case !errors.Is(err, fs.ErrNotExist): // that is being attached or detached just now
			errs = append(errs, fmt.Errorf("opening the datapath %s: %w", k, err))
		}
	}
	return nics, errors.Join(errs...)
}

func openKey(key string) (*NIC, error) {
	rec, err := readRecord(key)
	if err != nil {
		return nil, err
	}
	return openNIC(key, rec)
}

func openNIC(key string, rec *record) (*NIC, error) {
	nic := &NIC{key: key, record: rec}
	err := nic.openPins(pinDir(key))
	if err == nil {
		return nic, nil
	}
	nic.Close()
	if rec.Programs != "" && rec.Programs != programsDigest() {
		return nil, fmt.Errorf("%w: %s in %s was attached by another version of tapir: attach it again, which loses no connection",
			ErrUnsupported, rec.Config.Tap, rec.Config.NetNS)
	}
	return nil, err
}

func (n *NIC) openPins(dir string) (err error) {
	for name, slot := range pinnedMaps(&n.maps) {
		if err := openPinned(dir, name, slot); err != nil {
			return err
		}
		if err := readable(name, *slot); err != nil {
			return err
		}
	}
	if n.surveyor, err = ebpf.LoadPinnedProgram(filepath.Join(dir, masqueradeProgTapirSurvey), nil); err != nil {
		return fmt.Errorf("opening the pinned program %s: %w", masqueradeProgTapirSurvey, err)
	}
	return nil
}

// readable tells whether a map has the layout that this version knows. The flow table may have any size.
func readable(name string, m *ebpf.Map) error {
	spec, err := embedded()
	if err != nil {
		return fmt.Errorf("reading the embedded programs: %w", err)
	}
	layout := spec.Maps[name].Copy()
	if name == masqueradeMapFlows {
		layout.MaxEntries = m.MaxEntries()
	}
	return layout.Compatible(m)
}
