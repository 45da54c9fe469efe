// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
)

// A Drain takes packets out of the pod's tap, as a guest that is fast enough.
type Drain struct {
	tap   *os.File
	pod   *lab.Namespace
	guest lab.Guest
	// Sleeps has the drain sleep while the tap is empty, as QEMU does, instead of polling.
	Sleeps bool

	packets     uint64
	first, last time.Time // of the packets
}

// NewDrain makes one; the tap stays the caller's.
func NewDrain(network *lab.Network, tap *os.File) *Drain {
	return &Drain{tap: tap, pod: network.Pod, guest: *network.Guest}
}

// Run announces the guest and drains until ctx is done and the tap is empty. It returns how many UDP packets
// came, and the time between the first and the last of them.
func (d *Drain) Run(ctx context.Context) (packets uint64, took time.Duration, err error) {
	d.packets = 0
	err = d.pod.On(lab.GuestCPU, func() error {
		return withFD(d.tap, func(fd int) error {
			own := d.guest.Address.Addr()
			if err := writeFrame(fd, arp(arpRequest, d.guest.MAC, broadcast, own, own)); err != nil {
				return err
			}
			return d.poll(ctx, fd)
		})
	})
	return d.packets, d.last.Sub(d.first), err
}

func (d *Drain) poll(ctx context.Context, fd int) error {
	frame := make([]byte, vnetHeader+1<<11)
	empty := true
	for {
		n, err := unix.Read(fd, frame)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if !empty { // the clock is read only where there is time for it
				d.last, empty = time.Now(), true
			}
			if ctx.Err() != nil {
				return nil
			}
			if d.Sleeps {
				if err := await(fd); err != nil {
					return err
				}
			}
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("reading from the tap: %w", err)
		default:
			empty = false
			if err := d.take(fd, frame[vnetHeader:n]); err != nil {
				return err
			}
		}
	}
}

// await returns once there may be something to read: it looks up now and then, for nothing else ends it.
func await(fd int) error {
	const lookUp = 20 // ms
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, lookUp)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("waiting for the tap: %w", err)
	}
	return nil
}

// take counts a packet, or answers a question.
func (d *Drain) take(fd int, frame []byte) error {
	if len(frame) < udpOffset {
		return nil
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case etherTypeIPv4:
		if frame[ipOffset+9] == protocolUDP {
			if d.packets == 0 {
				d.first = time.Now()
			}
			d.packets++
		}
	case etherTypeARP:
		if question, asker := parseARP(frame); question == d.guest.Address.Addr() {
			return writeFrame(fd, arp(arpReply, d.guest.MAC, asker.mac, question, asker.address))
		}
	}
	return nil
}
