// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
)

// Flow is one entry of the flow table. Packets and bytes are counted both ways; a GSO frame is one packet.
type Flow struct {
	Proto      string        `json:"proto"` // tcp, udp, icmp, icmpv6, or the protocol's number
	Owner      string        `json:"owner"` // guest, pod, or loopback: a pod process that uses 127.0.0.1 or ::1
	Guest      netip.Addr    `json:"guest"` // the owner's address: the pod's where the pod owns the flow
	GuestPort  uint16        `json:"guestPort"`
	NATPort    uint16        `json:"natPort"` // on the pod's address
	Remote     netip.Addr    `json:"remote"`
	RemotePort uint16        `json:"remotePort"`
	Age        time.Duration `json:"age"`  // since the first packet, in nanoseconds
	Idle       time.Duration `json:"idle"` // since the last packet, in nanoseconds
	Packets    uint64        `json:"packets"`
	Bytes      uint64        `json:"bytes"`
	RxPackets  uint64        `json:"rxPackets"` // into the guest
	RxBytes    uint64        `json:"rxBytes"`
	TxPackets  uint64        `json:"txPackets"`
	TxBytes    uint64        `json:"txBytes"`
}

var protocolNames = map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}

var sideNames = map[masqueradeSide]string{
	masqueradeSideSIDE_GUEST:    "guest",
	masqueradeSideSIDE_POD:      "pod",
	masqueradeSideSIDE_LOOPBACK: "loopback",
}

// Flows reads the flow table. It changes meanwhile: an entry may be missing, or be a mixture of the flow that left it
// and the one that came.
func (n *NIC) Flows() ([]Flow, error) {
	unit, err := clockUnit()
	if err != nil {
		return nil, err
	}
	now, err := n.now()
	if err != nil {
		return nil, err
	}
	since := func(clock uint32) time.Duration {
		return max(0, time.Duration(int32(now-clock))) * unit
	}
	flows := []Flow{}
	err = eachFlow(n.maps.Flows, func(_ uint32, f *masqueradeFlow) {
		flow := Flow{
			Proto:      protocolName(f.proto()),
			Owner:      sideNames[f.side()],
			Guest:      n.ownerAddress(f.side(), f.ipv6()),
			GuestPort:  f.port(),
			NATPort:    f.wirePort(),
			Remote:     addrOf(f.Remote.Word, f.ipv6()),
			RemotePort: f.remotePort(),
			Age:        since(f.Made),
			Idle:       since(f.Seen),
		}
		flow.RxPackets, flow.RxBytes = f.counted(masqueradeDirectionDIR_RECEIVE)
		flow.TxPackets, flow.TxBytes = f.counted(masqueradeDirectionDIR_TRANSMIT)
		flow.Packets, flow.Bytes = flow.RxPackets+flow.TxPackets, flow.RxBytes+flow.TxBytes
		flows = append(flows, flow)
	})
	return flows, err
}

func protocolName(number uint8) string {
	if name, ok := protocolNames[number]; ok {
		return name
	}
	return strconv.Itoa(int(number))
}

func (n *NIC) ownerAddress(side masqueradeSide, ipv6 bool) netip.Addr {
	a := n.record.Constants.Addresses
	switch {
	case side == masqueradeSideSIDE_POD && ipv6:
		return a.Pod6
	case side == masqueradeSideSIDE_POD:
		return a.Pod4
	case ipv6:
		return a.Guest6
	}
	return a.Guest4
}

// eachFlow walks the slots of the table that hold one.
func eachFlow(table *ebpf.Map, do func(slot uint32, f *masqueradeFlow)) error {
	const batch = 1024
	slots, entries := make([]uint32, batch), make([]masqueradeFlow, batch)
	var cursor ebpf.MapBatchCursor
	for {
		got, err := table.BatchLookup(&cursor, slots, entries, nil)
		for i := range got {
			if entries[i].used() {
				do(slots[i], &entries[i])
			}
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the flow table: %w", err)
		}
	}
}
