// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
)

// plan looks at the pod and lays down what Attach is going to change there, so that it can be undone even if Attach
// is killed half-way. It changes nothing itself. The tap is nil where there is none yet.
func plan(key string, cfg *Config, was *record, start time.Time) (*record, *netlink.Tuntap, error) {
	nic, err := netlink.LinkByName(cfg.NIC)
	if err != nil {
		return nil, nil, fmt.Errorf("finding the pod NIC %s in %s: %w", cfg.NIC, cfg.NetNS, err)
	}
	addresses, err := findAddresses(cfg, nic)
	if err != nil {
		return nil, nil, err
	}
	rec := &record{Config: *cfg, Attached: start}
	rec.Constants = constants{
		Addresses: addresses,
		NICIndex:  nic.Attrs().Index,
		NICMAC:    nic.Attrs().HardwareAddr.String(),
		FlowSeed:  rand.Uint64(),
		Peer:      cfg.Redirect == RedirectPeer,
		XDP:       cfg.Fastpath == FastpathXDP,
	}
	if rec.Constants.Peer {
		if err := peerObstacle(nic, egress(&rec.Constants), pinDir(key)); err != nil {
			return nil, nil, fmt.Errorf("%w: redirect %s can't be had: %w: use %s", ErrInvalid, RedirectPeer, err, RedirectNeigh)
		}
	}
	if was != nil {
		if seed := was.Constants.FlowSeed; seed != 0 { // an older version's NIC has none
			rec.Constants.FlowSeed = seed
		}
		rec.GRO = was.GRO
		rec.Attached, rec.Sysctls, rec.Qdiscs, rec.LoopbackMTU = was.Attached, was.Sysctls, was.Qdiscs, was.LoopbackMTU
	} else {
		if rec.Sysctls, err = readSysctls(podSysctls()); err != nil {
			return nil, nil, err
		}
		if rec.LoopbackMTU, err = loopbackMTU(); err != nil {
			return nil, nil, err
		}
	}
	if rec.Constants.XDP {
		if err := rec.planXDP(nic, pinDir(key)); err != nil {
			return nil, nil, err
		}
	}
	tap, err := tapByName(cfg.Tap)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		rec.Given = addresses.gateway()
		rec.Constants.XDPOut = rec.Constants.XDP && rec.xdpOutObstacle(nic, nil, pinDir(key)) == nil
		return rec, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if err := rec.planTap(tap, was); err != nil {
		return nil, nil, err
	}
	rec.Constants.XDPOut = rec.Constants.XDP && rec.xdpOutObstacle(nic, tap, pinDir(key)) == nil
	return rec, tap, nil
}

// planTap is about a tap that is there.
func (r *record) planTap(tap *netlink.Tuntap, was *record) error {
	r.Constants.TapIndex = tap.Attrs().Index
	if was.knows(tap) {
		r.Tap, r.Given = was.Tap, was.Given
	} else {
		var err error
		if r.Tap, err = tapStateOf(tap); err != nil {
			return err
		}
	}
	has, err := addressesOf(tap)
	if err != nil {
		return err
	}
	for _, p := range r.Constants.Addresses.gateway() {
		if !slices.Contains(has, p) && !slices.Contains(r.Given, p) {
			r.Given = append(r.Given, p)
		}
	}
	return nil
}

// knows tells whether the record is about this very tap, and not about one of the same name that is gone.
// An Attach that was killed may have made the tap without writing down its index.
func (r *record) knows(tap netlink.Link) bool {
	if r == nil {
		return false
	}
	return r.Constants.TapIndex == tap.Attrs().Index || r.Constants.TapIndex == 0 && r.Tap == nil && usable(tap) == nil
}
