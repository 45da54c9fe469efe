// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
)

// A Writer sends packets into the pod's tap, one write a packet, as QEMU does.
type Writer struct {
	tap   *os.File
	pod   *lab.Namespace
	guest lab.Guest
	flows int
	whole bool // the UDP checksum is left to nobody
	next  int
}

// NewWriter makes a guest that takes flows in turn, and computes its checksums itself or not; the tap stays the caller's.
func NewWriter(network *lab.Network, tap *os.File, flows int, whole bool) *Writer {
	return &Writer{tap: tap, pod: network.Pod, guest: *network.Guest, flows: flows, whole: whole}
}

// Run sends until some time, or until ctx is done, and returns how many packets it sent.
func (w *Writer) Run(ctx context.Context, until time.Time) (sent uint64, err error) {
	frame := newFrame(w.guest.MAC, w.guest.GatewayMAC, w.guest.Address.Addr(), firstRemote, servicePort, 0)
	clear(frame[ipOffset+16 : udpOffset])
	ipRest, pseudoRest := ipSum(frame), pseudoSum(frame)
	udpRest, header := pseudoRest+sum(frame[udpOffset:]), partialChecksum()
	if w.whole {
		header = make([]byte, vnetHeader)
	}
	packet := append(header, frame...)
	ip, udp := packet[vnetHeader+ipOffset:], packet[vnetHeader+udpOffset:]
	err = w.pod.On(lab.PeerCPU, func() error {
		return withFD(w.tap, func(fd int) error {
			for ; sent%256 != 0 || ctx.Err() == nil && time.Now().Before(until); sent++ {
				address, port := remote(w.next)
				if w.next++; w.next == w.flows {
					w.next = 0
				}
				words := address>>16 + address&0xffff
				binary.BigEndian.PutUint32(ip[16:], address)
				binary.BigEndian.PutUint16(ip[10:], ^fold(ipRest+words))
				binary.BigEndian.PutUint16(udp[2:], port)
				check := fold(pseudoRest + words)
				if w.whole {
					check = ^fold(udpRest + words + uint32(port))
				}
				binary.BigEndian.PutUint16(udp[6:], check)
				if err := writeFrame(fd, packet); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	})
	return sent, err
}
