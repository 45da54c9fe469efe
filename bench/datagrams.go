// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
)

const (
	datagramPort = 5005
	datagramSize = 200
	burst        = 10 // datagrams at once
	pause        = 5 * time.Millisecond
)

// datagrams go to the guest at a pace that no datapath should have trouble with.
type datagrams struct {
	from, to *net.UDPConn
}

func newDatagrams(peer, guest *lab.Namespace) (d *datagrams, err error) {
	d = &datagrams{}
	err = guest.Run(func() (err error) {
		d.to, err = net.ListenUDP("udp4", &net.UDPAddr{Port: datagramPort})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("receiving datagrams in the guest: %w", err)
	}
	err = peer.Run(func() (err error) {
		d.from, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(lab.Pod.Addr(), datagramPort)))
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sending datagrams to the guest: %w", err), d.to.Close())
	}
	return d, nil
}

// loss sends for some time and returns how many of 100 did not come.
func (d *datagrams) loss(ctx context.Context, during time.Duration) (percent float64, err error) {
	const late = time.Second // longer than any queue
	if err := d.to.SetReadDeadline(time.Now().Add(during + late)); err != nil {
		return 0, err
	}
	came, counted := 0, make(chan error, 1)
	go func() {
		for {
			_, err := d.to.Read(make([]byte, datagramSize))
			if err != nil {
				counted <- err
				return
			}
			came++
		}
	}()
	sent := 0
	for end := time.Now().Add(during); time.Now().Before(end) && err == nil; err = sleep(ctx, pause) {
		for range burst {
			if _, failed := d.from.Write(make([]byte, datagramSize)); failed == nil {
				sent++
			}
		}
	}
	if err != nil {
		_ = d.to.SetReadDeadline(time.Unix(1, 0)) // the socket is open, and so has deadlines
	}
	if ended := <-counted; !errors.Is(ended, os.ErrDeadlineExceeded) {
		return 0, errors.Join(err, fmt.Errorf("receiving datagrams in the guest: %w", ended))
	}
	if sent == 0 {
		return 0, errors.Join(err, errNothing)
	}
	return 100 * float64(sent-min(came, sent)) / float64(sent), err
}

func (d *datagrams) close() error { return errors.Join(d.from.Close(), d.to.Close()) }
