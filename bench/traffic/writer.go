// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
)

// A Writer sends packets into the pod's tap, a batch with each system call.
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
	header := partialChecksum()
	if w.whole {
		header = make([]byte, vnetHeader)
	}
	packet := append(header, frame...)
	rest := sums{ip: ipSum(frame), pseudo: pseudoSum(frame), udp: sum(frame[udpOffset:])}
	err = w.pod.On(lab.PeerCPU, func() error {
		return withRing(w.tap, opWrite, len(packet), func(r *ring) error {
			for _, buffer := range r.buffers {
				copy(buffer, packet)
			}
			for ; ctx.Err() == nil && time.Now().Before(until); sent += batch {
				for _, buffer := range r.buffers {
					w.address(buffer[vnetHeader:], rest)
				}
				err := r.do(batch, func(frame []byte, err error) error {
					if err == nil && len(frame) < len(packet) {
						err = io.ErrShortWrite
					}
					return written(err)
				})
				if err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	})
	return sent, err
}

// sums are those of a frame without its destination, not folded.
type sums struct{ ip, pseudo, udp uint32 }

// address makes a frame one of the next flow.
func (w *Writer) address(frame []byte, rest sums) {
	address, port := remote(w.next)
	if w.next++; w.next == w.flows {
		w.next = 0
	}
	ip, udp := frame[ipOffset:], frame[udpOffset:]
	words := address>>16 + address&0xffff
	binary.BigEndian.PutUint32(ip[16:], address)
	binary.BigEndian.PutUint16(ip[10:], ^fold(rest.ip+words))
	binary.BigEndian.PutUint16(udp[2:], port)
	check := fold(rest.pseudo + words)
	if w.whole {
		check = ^fold(rest.pseudo + words + rest.udp + uint32(port))
	}
	binary.BigEndian.PutUint16(udp[6:], check)
}
