// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/shuttle"
)

// ErrNoTap says that a datapath has no tap, and a load needs one.
var ErrNoTap = errors.New("there is no tap")

// A Network is one lab.
type Network struct {
	Peer, Pod *Namespace
	MTU       int    // of every link, in bytes
	Guest     *Guest // whom the datapath expects behind the tap; nil: there is no tap, the pod itself is the guest

	nic     int            // index of the pod's NIC
	closers []func() error // in the order in which things were made
}

// New makes peer and pod, joined, with nothing in the pod but its NIC.
func New(mtu int) (*Network, error) {
	n := &Network{MTU: mtu}
	if err := n.build(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Network) build() (err error) {
	for _, namespace := range []**Namespace{&n.Peer, &n.Pod} {
		if *namespace, err = newNamespace(); err != nil {
			return err
		}
		n.OnClose((*namespace).Close)
	}
	return n.connect()
}

// OnClose registers what Close does before it removes what is there now.
func (n *Network) OnClose(f func() error) { n.closers = append(n.closers, f) }

// Close removes everything.
func (n *Network) Close() error {
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		errs = append(errs, n.closers[i]())
	}
	n.closers = nil
	return errors.Join(errs...)
}

// OpenTap opens the pod's tap as QEMU does, for a load that is the guest itself. The caller closes the file.
func (n *Network) OpenTap(ctx context.Context) (*os.File, error) {
	if n.Guest == nil {
		return nil, ErrNoTap
	}
	tap, err := shuttle.Open(n.Pod, Tap)
	if err != nil {
		return nil, err
	}
	if err := n.Pod.awaitCarrier(ctx, Tap); err != nil {
		return nil, errors.Join(err, tap.Close())
	}
	return tap, nil
}

// Plug puts a guest behind the tap, until the network is closed, and returns its namespace: the pod's where there
// is no tap.
func (n *Network) Plug(ctx context.Context) (*Namespace, error) {
	if n.Guest == nil {
		return n.Pod, nil
	}
	guest, err := newNamespace()
	if err != nil {
		return nil, err
	}
	n.OnClose(guest.Close)
	ours, err := shuttle.Open(n.Pod, Tap)
	if err != nil {
		return nil, err
	}
	n.OnClose(ours.Close)
	theirs, err := shuttle.Open(guest, NIC)
	if err != nil {
		return nil, err
	}
	n.OnClose(theirs.Close)
	n.join(ours, theirs)
	return guest, n.configure(ctx, guest)
}

// join copies frames until the network is closed.
func (n *Network) join(a, b *os.File) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- shuttle.Join(ctx, a, b) }()
	n.OnClose(func() error {
		cancel()
		if err := <-ended; err != nil {
			return fmt.Errorf("shuttle between pod and guest: %w", err)
		}
		return nil
	})
}

func (n *Network) configure(ctx context.Context, guest *Namespace) error {
	err := guest.onLink(NIC, "setting MAC and MTU", func(l netlink.Link) error {
		return errors.Join(netlink.LinkSetHardwareAddr(l, n.Guest.MAC), netlink.LinkSetMTU(l, n.MTU))
	})
	if err != nil {
		return err
	}
	if err := errors.Join(
		guest.up(NIC), guest.address(NIC, n.Guest.Address), guest.defaultRoute(n.Guest.Gateway)); err != nil {
		return err
	}
	return n.Pod.awaitCarrier(ctx, Tap)
}
