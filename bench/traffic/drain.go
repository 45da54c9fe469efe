// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
)

// linger is how long a drain looks at an empty tap once nothing more is sent: what is under way waits for a softirq,
// which on a busy machine waits for its turn.
const linger = 50 * time.Millisecond

// longestFrame is more than MTUs of small packets let through.
const longestFrame = vnetHeader + 1<<11

// A Drain takes packets out of the pod's tap, up to a batch with each system call, as a guest that is fast enough.
type Drain struct {
	tap     *os.File
	network *lab.Network
	guest   lab.Guest
	// Sleeps has the drain sleep while the tap is empty, as vhost-net does, instead of polling.
	Sleeps bool

	read uint64 // packets
}

// NewDrain makes one; the tap stays the caller's.
func NewDrain(network *lab.Network, tap *os.File) *Drain {
	return &Drain{tap: tap, network: network, guest: *network.Guest}
}

// Drained is what came to the pod, and to the guest.
type Drained struct {
	Received uint64 // packets that the pod's NIC took in
	Read     uint64 // UDP packets that came out of the tap
	Full     bool   // the tap's queue was full at times: the datapath was faster than the drain
}

// Passed is how many packets the datapath dealt with. Where the tap's queue was never full, it lost what was not read.
// Where it was, the NIC tells: the tap counts of 16 frames that XDP brings at once and finds no room for, one
// (tun_xdp_xmit).
func (d Drained) Passed() uint64 {
	if d.Full {
		return max(d.Read, d.Received)
	}
	return d.Read
}

// While announces the guest and drains, from before send is called until it has returned and the tap stays empty.
func (d *Drain) While(ctx context.Context, send func() error) (Drained, error) {
	tap, nic, err := d.statistics()
	if err != nil {
		return Drained{}, err
	}
	d.read = 0
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, drained := make(chan struct{}), make(chan error, 1)
	go func() { drained <- d.run(ctx, ready) }()
	select {
	case <-ready:
	case err := <-drained:
		return Drained{}, errors.Join(err, ctx.Err()) // without a reason of its own only because of ctx
	}
	err = send()
	stop()
	if err := errors.Join(err, <-drained); err != nil {
		return Drained{}, err
	}
	tapAfter, nicAfter, err := d.statistics()
	return Drained{nicAfter.RxPackets - nic.RxPackets, d.read, tapAfter.TxDropped != tap.TxDropped}, err
}

// run closes ready once packets may come.
func (d *Drain) run(ctx context.Context, ready chan<- struct{}) error {
	return d.network.Pod.On(lab.GuestCPU, func() error {
		return withRing(d.tap, opRead, longestFrame, func(r *ring) error {
			own := d.guest.Address.Addr()
			if err := writeFrame(r.tap, arp(arpRequest, d.guest.MAC, broadcast, own, own)); err != nil {
				return err
			}
			close(ready)
			return d.poll(ctx, r)
		})
	})
}

func (d *Drain) statistics() (tap, nic netlink.LinkStatistics, err error) {
	name, err := d.network.NICName()
	if err != nil {
		return tap, nic, err
	}
	if tap, err = d.network.Pod.Statistics(lab.Tap); err == nil {
		nic, err = d.network.Pod.Statistics(name)
	}
	return tap, nic, err
}

func (d *Drain) poll(ctx context.Context, r *ring) error {
	var end time.Time
	for came := 0; ; {
		// vhost-net sees how much there is to read, and this must guess: what is read in vain counts where the drain sleeps.
		ask := min(2*came+1, batch)
		came = 0
		err := r.do(ask, func(frame []byte, err error) error {
			if errors.Is(err, unix.EAGAIN) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("reading from the tap: %w", err)
			}
			came++
			return d.take(r.tap, frame[vnetHeader:])
		})
		if err != nil {
			return err
		}
		if came > 0 {
			end = time.Time{}
			continue
		}
		if ctx.Err() != nil {
			if end.IsZero() {
				end = time.Now().Add(linger)
			} else if time.Now().After(end) {
				return nil
			}
		}
		if d.Sleeps {
			if err := await(r.tap); err != nil {
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
			d.read++
		}
	case etherTypeARP:
		if question, asker := parseARP(frame); question == d.guest.Address.Addr() {
			return writeFrame(fd, arp(arpReply, d.guest.MAC, asker.mac, question, asker.address))
		}
	}
	return nil
}
