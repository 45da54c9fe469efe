// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"cmp"
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf"
)

const portWords = 65536 / 64 // PORTS_WORDS in bpf/maps.h

func (p Port) validate() error {
	if p.Port == 0 || (p.Protocol != "tcp" && p.Protocol != "udp") {
		return fmt.Errorf("%w: port %s/%d: want tcp or udp, and 1 to 65535", ErrInvalid, p.Protocol, p.Port)
	}
	return nil
}

// portBank lays the declared ports out as the ports map has them: TCP's bits, then UDP's.
func portBank(ports []Port) [2 * portWords]uint64 {
	var bank [2 * portWords]uint64
	for _, p := range ports {
		base := 0
		if p.Protocol == "udp" {
			base = portWords
		}
		bank[base+int(p.Port)/64] |= 1 << (p.Port % 64)
	}
	return bank
}

// setSettings makes ports and the guest's MAC take effect; nil: it is learnt. The ports go into the bank that no program
// reads; one store into the settings then makes it the valid one. Nobody else writes the settings.
func setSettings(maps *masqueradeMaps, ports []Port, mac net.HardwareAddr) error {
	var was masqueradeSettings
	if err := maps.Settings.Lookup(uint32(0), &was); err != nil {
		return fmt.Errorf("reading the datapath's settings: %w", err)
	}
	now := masqueradeSettings{GuestMac: macWord(mac), Bank: was.Bank}
	if len(ports) > 0 {
		now.PortsOnly, now.Bank = 1, 1-was.Bank&1
		bank := portBank(ports)
		indexes := make([]uint32, len(bank))
		for i := range indexes {
			indexes[i] = now.Bank*uint32(len(bank)) + uint32(i)
		}
		if _, err := maps.Ports.BatchUpdate(indexes, bank[:], nil); err != nil {
			return fmt.Errorf("writing declared ports: %w", err)
		}
	}
	if now == was {
		return nil
	}
	// A MAC that is no longer configured is learnt anew. No program learns one as long as it is.
	if was.GuestMac != 0 && now.GuestMac == 0 {
		if err := maps.State.Update(uint32(0), masqueradeNicState{}, ebpf.UpdateExist); err != nil {
			return fmt.Errorf("forgetting the guest's MAC: %w", err)
		}
	}
	if err := maps.Settings.Update(uint32(0), now, ebpf.UpdateExist); err != nil {
		return fmt.Errorf("switching to the new settings: %w", err)
	}
	return nil
}

// knownMAC is the one that the programs go by; nil while it isn't known.
func knownMAC(maps *masqueradeMaps) (net.HardwareAddr, error) {
	var settings masqueradeSettings
	var state masqueradeNicState
	if err := errors.Join(maps.Settings.Lookup(uint32(0), &settings), maps.State.Lookup(uint32(0), &state)); err != nil {
		return nil, fmt.Errorf("reading the guest's MAC: %w", err)
	}
	return macOf(cmp.Or(settings.GuestMac, state.GuestMac)), nil
}
