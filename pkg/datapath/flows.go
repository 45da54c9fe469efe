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

// Flows reads the flow table. It changes meanwhile: an entry may be missing, none is torn.
func (n *NIC) Flows() ([]Flow, error) {
	unit, err := clockUnit()
	if err != nil {
		return nil, err
	}
	now, err := clockNow(n.clock)
	if err != nil {
		return nil, err
	}
	since := func(clock uint32) time.Duration {
		return max(0, time.Duration(int32(now-clock))) * unit
	}
	flows := []Flow{}
	err = eachFlow(n.maps.Flows, func(k *masqueradeFlowKey, v *masqueradeFlow) {
		flows = append(flows, Flow{
			Proto:      protocolName(k.Proto),
			Owner:      sideNames[masqueradeSide(v.Side)],
			Guest:      n.ownerAddress(masqueradeSide(v.Side), k.Ipv6 != 0),
			GuestPort:  hostOrder(v.Port),
			NATPort:    hostOrder(k.LocalPort),
			Remote:     addrOf(k.Remote.Word, k.Ipv6 != 0),
			RemotePort: hostOrder(k.RemotePort),
			Age:        since(v.Made),
			Idle:       since(v.Seen),
			Packets:    v.Packets[0] + v.Packets[1],
			Bytes:      v.Bytes[0] + v.Bytes[1],
			RxPackets:  v.Packets[masqueradeDirectionDIR_RECEIVE],
			RxBytes:    v.Bytes[masqueradeDirectionDIR_RECEIVE],
			TxPackets:  v.Packets[masqueradeDirectionDIR_TRANSMIT],
			TxBytes:    v.Bytes[masqueradeDirectionDIR_TRANSMIT],
		})
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

// eachFlow walks the table in batches where the kernel has them: a walk by key restarts whenever the LRU evicts
// the entry that it stands on.
func eachFlow(table *ebpf.Map, f func(*masqueradeFlowKey, *masqueradeFlow)) error {
	const batch = 1024
	keys, values := make([]masqueradeFlowKey, batch), make([]masqueradeFlow, batch)
	var cursor ebpf.MapBatchCursor
	for {
		got, err := table.BatchLookup(&cursor, keys, values, nil)
		for i := range got {
			f(&keys[i], &values[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the flow table: %w", err)
		}
	}
}
