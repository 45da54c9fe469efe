// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

// Attach joins a tap to its pod's NIC, or brings what is joined already into line with cfg, without losing a packet or
// a flow. On error a first attach leaves nothing behind, a later one what was there before, in working order.
func Attach(cfg Config) (*NIC, error) {
	start := time.Now()
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("attaching %s: %w", cfg.Tap, err)
	}
	var nic *NIC
	err := inNetNS(cfg.NetNS, func(cookie uint64) error {
		if err := prepareStore(); err != nil {
			return err
		}
		unlock, err := lock()
		if err != nil {
			return err
		}
		defer unlock()
		nic, err = attachHere(&cfg, key(cookie, cfg.Tap), start)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attaching %s: %w", cfg.Tap, err)
	}
	return nic, nil
}

// attachHere works in the pod's namespace, under the lock.
func attachHere(cfg *Config, key string, start time.Time) (_ *NIC, err error) {
	was, err := readRecord(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	podNIC, err := netlink.LinkByName(cfg.NIC)
	if err != nil {
		return nil, fmt.Errorf("finding the pod NIC %s in %s: %w", cfg.NIC, cfg.NetNS, err)
	}
	addresses, err := findAddresses(cfg, podNIC)
	if err != nil {
		return nil, err
	}
	rec := &record{Config: *cfg, Programs: programsDigest(), Sysctls: map[string]string{}, Attached: start}
	if was != nil {
		rec.MadeTap, rec.Sysctls, rec.Attached = was.MadeTap, was.Sysctls, was.Attached
	} else {
		if err := refuseSecond(key, cfg); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, undo(key, rec))
			}
		}()
	}
	tap, made, err := ensureTap(cfg)
	if err != nil {
		return nil, err
	}
	rec.MadeTap = rec.MadeTap || made
	rec.Constants = constants{Addresses: addresses, NICIndex: podNIC.Attrs().Index, TapIndex: tap.Attrs().Index}
	if err := setUpPod(tap, rec); err != nil {
		return nil, err
	}
	if was != nil && was.Programs == rec.Programs && reflect.DeepEqual(was.Constants, rec.Constants) && was.Config.Flows == cfg.Flows {
		return updateMaps(key, rec, start)
	}
	return replacePrograms(key, rec, start)
}

// setUpPod prepares tap and sysctls; everything it does is idempotent.
func setUpPod(tap *netlink.Tuntap, rec *record) error {
	lo, err := netlink.LinkByIndex(loopbackIndex)
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("setting the loopback device up: %w", err)
	}
	if rec.Constants.Addresses.Pod4.IsValid() {
		if err := setSysctls(loopbackSysctls, rec.Sysctls); err != nil {
			return err
		}
	}
	if err := setSysctls(tapSysctls(rec.Config.Tap), rec.Sysctls); err != nil {
		return err
	}
	return configureTap(tap, rec.Constants.Addresses)
}

// updateMaps is what attaching again comes to when only ports or the guest's MAC changed.
func updateMaps(key string, rec *record, start time.Time) (*NIC, error) {
	nic, err := openNIC(key, rec)
	if err != nil {
		return nil, err
	}
	if err := setState(&nic.maps, rec.Config.Ports, rec.Config.MAC); err != nil {
		nic.Close()
		return nil, err
	}
	return nic, nic.remember(start)
}

// replacePrograms loads the programs for rec and hangs them in the place of what is there, with the maps that are.
func replacePrograms(key string, rec *record, start time.Time) (*NIC, error) {
	dir := pinDir(key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory for pins: %w", err)
	}
	spec, err := specialise(&rec.Constants, rec.Config.Flows)
	if err != nil {
		return nil, err
	}
	reuse, err := reusableMaps(dir, spec)
	defer closeMaps(reuse)
	if err != nil {
		return nil, err
	}
	objs, err := load(spec, reuse)
	if err != nil {
		return nil, err
	}
	nic := &NIC{key: key, record: rec, maps: objs.masqueradeMaps, clock: objs.TapirClock}
	fail := func(err error) (*NIC, error) {
		return nil, errors.Join(err, objs.Close())
	}
	if err := setState(&nic.maps, rec.Config.Ports, rec.Config.MAC); err != nil {
		return fail(err)
	}
	for _, h := range hooks(&rec.Constants, objs) {
		if err := h.hang(dir); err != nil {
			return fail(err)
		}
	}
	if err := pinObjects(dir, objs); err != nil {
		return fail(err)
	}
	for _, p := range []*ebpf.Program{objs.TapirNicOut, objs.TapirNicIn, objs.TapirLoOut, objs.TapirTapIn} {
		p.Close() // the links hold them
	}
	return nic, nic.remember(start)
}

// refuseSecond: a pod NIC serves one guest.
func refuseSecond(key string, cfg *Config) error {
	keys, err := attachedKeys()
	if err != nil {
		return err
	}
	cookie, _ := splitKey(key)
	for _, other := range keys {
		if c, _ := splitKey(other); c != cookie {
			continue
		}
		if r, err := readRecord(other); err == nil && r.Config.NIC == cfg.NIC {
			return fmt.Errorf("%w: %s already serves %s: detach that first", ErrInvalid, cfg.NIC, r.Config.Tap)
		}
	}
	return nil
}

func (n *NIC) remember(start time.Time) error {
	n.record.TookMS = float64(time.Since(start).Microseconds()) / 1000
	return n.record.write(n.key)
}

// reusableMaps opens the pinned maps that new programs take over: all whose layout is still the same. The flow table
// is a cache, so one of another size simply takes its place.
func reusableMaps(dir string, spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	reuse := map[string]*ebpf.Map{}
	for name := range pinnedMaps(&masqueradeMaps{}) {
		m, err := ebpf.LoadPinnedMap(filepath.Join(dir, name), nil)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return reuse, fmt.Errorf("opening the pinned map %s: %w", name, err)
		}
		if spec.Maps[name].Compatible(m) != nil {
			m.Close()
			continue
		}
		reuse[name] = m
	}
	return reuse, nil
}
