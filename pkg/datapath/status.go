// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Status tells how an attached NIC is doing.
type Status struct {
	Config       Config    `json:"config"`
	Addresses    Addresses `json:"addresses"`
	GuestMAC     string    `json:"mac,omitempty"` // configured or learnt; empty: not a frame was seen yet
	Hook         string    `json:"hook"`          // tcx, or clsact on kernels before 6.6
	Healthy      bool      `json:"healthy"`       // all programs hang where they belong
	FlowCount    int       `json:"flowCount"`
	MapBytes     uint64    `json:"mapBytes"` // memory that the kernel charged for the maps
	Attached     time.Time `json:"attached"`
	AttachMillis float64   `json:"attachMilliseconds"` // the last attach took
	Counters     Counters  `json:"counters"`
}

// Status reads state, links and maps.
func (n *NIC) Status() (Status, error) {
	s := Status{
		Config:       n.Config(),
		Addresses:    n.Addresses(),
		Attached:     n.record.Attached,
		AttachMillis: n.record.TookMS,
		Hook:         "tcx",
	}
	var state masqueradeNicState
	if err := n.maps.State.Lookup(uint32(0), &state); err != nil {
		return s, fmt.Errorf("reading the datapath's state: %w", err)
	}
	s.GuestMAC = macOf(state.GuestMac).String()
	if err := n.eachFlow(func(*masqueradeFlowKey, *masqueradeFlow) { s.FlowCount++ }); err != nil {
		return s, err
	}
	var err error
	if s.Counters, err = n.Counters(); err != nil {
		return s, err
	}
	s.MapBytes = mapBytes(&n.maps)
	s.Hook, s.Healthy = n.hooksHealthy()
	return s, nil
}

func mapBytes(maps *masqueradeMaps) (sum uint64) {
	for _, m := range pinnedMaps(maps) {
		if info, err := (*m).Info(); err == nil {
			if locked, ok := info.Memlock(); ok {
				sum += locked
			}
		}
	}
	return sum
}

// hooksHealthy looks for the links; a NIC without any runs on clsact filters, which live and die with their devices.
func (n *NIC) hooksHealthy() (kind string, healthy bool) {
	pins, _ := filepath.Glob(filepath.Join(pinDir(n.key), "link_*"))
	if len(pins) == 0 {
		_, err := n.LinkCounters() // the tap is there, so its filter is
		return "clsact", err == nil
	}
	for _, h := range hooks(&n.record.Constants, &masqueradeObjects{}) {
		l, err := link.LoadPinnedLink(filepath.Join(pinDir(n.key), "link_"+h.name), &ebpf.LoadPinOptions{ReadOnly: true})
		if err != nil {
			return "tcx", false
		}
		ok := alive(l, h.ifindex)
		l.Close()
		if !ok {
			return "tcx", false
		}
	}
	return "tcx", true
}
