// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

// Traffic counts frames; a GSO frame is one packet.
type Traffic struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Counters are seen from the guest: receive is into it.
type Counters struct {
	Receive        Traffic `json:"receive"`        // forwarded by the programs
	Transmit       Traffic `json:"transmit"`       //
	Remaps         uint64  `json:"remaps"`         // flows that got another port because theirs was taken
	ContestedFull  uint64  `json:"contestedFull"`  // times there was no room to remember such a flow
	FragmentsEarly uint64  `json:"fragmentsEarly"` // fragments that overtook their first
}

// LinkCounters are the tap's own, turned to the guest's view; they include what the pod's stack itself exchanges with
// the guest (DHCP, pings to the gateway), as KubeVirt's kubevirt_vmi_network_* do.
type LinkCounters struct {
	Receive, Transmit               Traffic
	ReceiveErrors, TransmitErrors   uint64
	ReceiveDropped, TransmitDropped uint64
}

// Drop counts the packets dropped for one reason.
type Drop struct {
	Reason    string `json:"reason"`
	Direction string `json:"direction"` // receive: on the way into the guest; transmit: from it
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
}

var directionNames = [...]string{
	masqueradeDirectionDIR_RECEIVE:  "receive",
	masqueradeDirectionDIR_TRANSMIT: "transmit",
}

// reasonNames are an interface (metrics, JSON), as the numbers in bpf/drop.h are: add, never change.
var reasonNames = [masqueradeDropReasonDROP_REASONS]string{
	masqueradeDropReasonDROP_NONE:            "none",
	masqueradeDropReasonDROP_MALFORMED:       "malformed",
	masqueradeDropReasonDROP_ETHERTYPE:       "ethertype",
	masqueradeDropReasonDROP_SPOOFED_MAC:     "spoofed_mac",
	masqueradeDropReasonDROP_SPOOFED_ADDRESS: "spoofed_address",
	masqueradeDropReasonDROP_SPOOFED_ARP:     "spoofed_arp",
	masqueradeDropReasonDROP_NOT_FOR_GATEWAY: "not_for_gateway",
	masqueradeDropReasonDROP_NO_FAMILY:       "no_family",
	masqueradeDropReasonDROP_UNREACHABLE:     "unreachable",
	masqueradeDropReasonDROP_PRIVATE_ADDRESS: "private_address",
	masqueradeDropReasonDROP_TTL_EXCEEDED:    "ttl_exceeded",
	masqueradeDropReasonDROP_NO_FREE_PORT:    "no_free_port",
	masqueradeDropReasonDROP_ICMP_TYPE:       "icmp_type",
	masqueradeDropReasonDROP_TOO_BIG:         "too_big",
}

// Counters sums up what the programs count.
func (n *NIC) Counters() (c Counters, err error) {
	traffic, err := perCPU[masqueradeCounter](n.maps.Counters)
	if err != nil {
		return c, err
	}
	c.Receive, c.Transmit = sum(traffic[masqueradeDirectionDIR_RECEIVE]), sum(traffic[masqueradeDirectionDIR_TRANSMIT])
	events, err := perCPU[uint64](n.maps.Events)
	if err != nil {
		return c, err
	}
	for event, total := range map[masqueradeEvent]*uint64{
		masqueradeEventEVENT_REMAP:          &c.Remaps,
		masqueradeEventEVENT_CONTESTED_FULL: &c.ContestedFull,
		masqueradeEventEVENT_FRAGMENT_BOTH:  &c.FragmentsEarly,
	} {
		for _, v := range events[event] {
			*total += v
		}
	}
	return c, nil
}

// Drops lists the reasons that occurred, by their numbers.
func (n *NIC) Drops() ([]Drop, error) {
	counted, err := perCPU[masqueradeCounter](n.maps.Drops)
	if err != nil {
		return nil, err
	}
	drops := []Drop{}
	for reason, name := range reasonNames {
		for dir, direction := range directionNames {
			if t := sum(counted[reason*2+dir]); t.Packets > 0 {
				drops = append(drops, Drop{name, direction, t.Packets, t.Bytes})
			}
		}
	}
	return drops, nil
}

func sum(cpus []masqueradeCounter) (t Traffic) {
	for _, c := range cpus {
		t.Packets += c.Packets
		t.Bytes += c.Bytes
	}
	return t
}

// perCPU reads an array of counters, by index and processor.
func perCPU[T any](m *ebpf.Map) ([][]T, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("counting processors: %w", err)
	}
	keys := make([]uint32, m.MaxEntries())
	values := make([]T, len(keys)*cpus)
	if _, err := m.BatchLookup(new(ebpf.MapBatchCursor), keys, values, nil); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, fmt.Errorf("reading counters: %w", err)
	}
	return slices.Collect(slices.Chunk(values, cpus)), nil
}

// LinkCounters reads the tap's statistics. What a tap transmits, the guest receives.
func (n *NIC) LinkCounters() (c LinkCounters, err error) {
	err = n.inPod(func() error {
		tap, err := netlink.LinkByName(n.record.Config.Tap)
		if err != nil {
			return fmt.Errorf("reading the statistics of %s: %w", n.record.Config.Tap, err)
		}
		if s := tap.Attrs().Statistics; s != nil {
			c = LinkCounters{
				Receive:         Traffic{s.TxPackets, s.TxBytes},
				Transmit:        Traffic{s.RxPackets, s.RxBytes},
				ReceiveErrors:   s.TxErrors,
				TransmitErrors:  s.RxErrors,
				ReceiveDropped:  s.TxDropped,
				TransmitDropped: s.RxDropped,
			}
		}
		return nil
	})
	return c, err
}
