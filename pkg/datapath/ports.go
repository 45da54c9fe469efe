// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"net"
	"strings"

	"github.com/cilium/ebpf"
)

const portWords = 65536 / 64 // PORTS_WORDS in bpf/maps.h

// ParsePort reads "tcp/80" or "name:udp/53", as `tapir attach --port` takes it; the protocol defaults to tcp.
func ParsePort(s string) (Port, error) {
	name, rest, named := strings.Cut(s, ":")
	if !named {
		name, rest = "", s
	}
	proto, number, ok := strings.Cut(rest, "/")
	if !ok {
		proto, number = "tcp", rest
	}
	p := Port{Name: name, Protocol: strings.ToLower(proto)}
	if _, err := fmt.Sscanf(number, "%d", &p.Port); err != nil || fmt.Sprint(p.Port) != number {
		return Port{}, fmt.Errorf("%w: port %q: want [name:]tcp/80 or udp/53, 1 to 65535", ErrInvalid, s)
	}
	return p, p.validate()
}

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
	if len(ports) == 0 {
		now.PortsOnly = 0
	} else {
		now.PortsOnly = 1
		now.Bank = 1 - was.Bank&1
		bank := portBank(ports)
		for i, word := range bank {
			index := now.Bank*2*portWords + uint32(i)
			if err := objs.Ports.Update(index, word, ebpf.UpdateAny); err != nil {
				return fmt.Errorf("writing declared ports: %w", err)
			}
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
