// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/link"

	"github.com/tapir-vm/tapir/bench/lab"
)

// A Counter counts UDP packets that come out of the pod, and drops them.
type Counter struct {
	objects trafficObjects
	ingress link.Link
}

// NewCounter attaches one on the CNI side.
func NewCounter(network *lab.Network) (*Counter, error) {
	cni, err := linkIndex(network.Peer, lab.CNI)
	if err != nil {
		return nil, err
	}
	c := &Counter{}
	if c.objects, err = load(nil); err != nil {
		return nil, err
	}
	if c.ingress, err = attach(network.Peer, cni, c.objects.TapirCount); err != nil {
		return nil, errors.Join(err, c.objects.Close())
	}
	return c, nil
}

// Count is the number of packets so far.
func (c *Counter) Count() (packets uint64, err error) {
	if err := c.objects.Counted.Get(&packets); err != nil {
		return 0, fmt.Errorf("reading the packet counter: %w", err)
	}
	return packets, nil
}

// Close detaches and unloads the program.
func (c *Counter) Close() error { return errors.Join(c.ingress.Close(), c.objects.Close()) }
