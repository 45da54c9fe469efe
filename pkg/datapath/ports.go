// SPDX-License-Identifier: Apache-2.0

package datapath

import (
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

// setState makes ports and the guest's MAC take effect. The ports go into the bank that no program reads; one store
// into the state map then makes it the valid one. A MAC that was learnt stays unless mac says otherwise.
func setState(objs *masqueradeMaps, ports []Port, mac net.HardwareAddr) error {
	var was masqueradeNicState
	if err := objs.State.Lookup(uint32(0), &was); err != nil {
		return fmt.Errorf("reading the datapath's state: %w", err)
	}
	now := was
	if mac != nil {
		now.GuestMac = macWord(mac)
	}
	now.PortsOnly = 0
	if len(ports) > 0 {
		now.PortsOnly, now.Bank = 1, 1-was.Bank&1
		bank := portBank(ports)
		indexes := make([]uint32, len(bank))
		for i := range indexes {
			indexes[i] = now.Bank*uint32(len(bank)) + uint32(i)
		}
		if _, err := objs.Ports.BatchUpdate(indexes, bank[:], nil); err != nil {
			return fmt.Errorf("writing declared ports: %w", err)
		}
	}
	if now == was {
		return nil
	}
	if err := objs.State.Update(uint32(0), now, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("switching to the new ports: %w", err)
	}
	return nil
}
