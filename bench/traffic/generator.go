// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/tapir-vm/tapir/bench/lab"
)

const (
	liveFrames = 1 << 1 // BPF_F_TEST_XDP_LIVE_FRAMES of linux/bpf.h
	loopback   = 1
)

// A Form is what a generator hands to the pod's NIC.
type Form int

const (
	// Frame has the pod's NIC make socket buffers of what XDP doesn't take, as the driver of any NIC does.
	Frame Form = iota
	// SocketBuffer is made on the CNI side, as by CNI plugins in TC. XDP has to turn it back into a frame.
	SocketBuffer
)

// A Generator sends packets from the CNI side to the pod's address.
type Generator struct {
	peer    *lab.Namespace
	objects trafficObjects
	send    link.Link // nil: frames don't pass it
	frame   []byte
}

// NewGenerator makes one that takes flows in turn. For frames it switches on GRO of the pod's NIC.
func NewGenerator(network *lab.Network, flows int, form Form) (*Generator, error) {
	address, port := remote(0)
	g := &Generator{peer: network.Peer}
	g.frame = newFrame(lab.PeerMAC, lab.PodMAC, firstRemote, lab.Pod.Addr(), port, servicePort)
	// What the programs add for each flow.
	clear(g.frame[ipOffset+12 : ipOffset+16])
	clear(g.frame[udpOffset : udpOffset+2])
	var header [6]uint64
	for i := range header {
		header[i] = binary.NativeEndian.Uint64(g.frame[8*i:])
	}
	cni, err := linkIndex(network.Peer, lab.CNI)
	if err != nil {
		return nil, err
	}
	g.objects, err = load(map[string]any{
		trafficVarHeader:      header,
		trafficVarIpSum:       ipSum(g.frame),
		trafficVarUdpSum:      pseudoSum(g.frame) + sum(g.frame[udpOffset:]),
		trafficVarFirstSource: address,
		trafficVarFlows:       uint32(flows),
		trafficVarCniIfindex:  uint32(cni),
		trafficVarAsSkb:       form == SocketBuffer,
	})
	if err != nil {
		return nil, err
	}
	if form == SocketBuffer {
		g.send, err = attach(network.Peer, loopback, g.objects.TapirGenSend)
	} else {
		err = poll(network)
	}
	if err != nil {
		return nil, errors.Join(err, g.objects.Close())
	}
	return g, nil
}

// poll has the pod's NIC take frames.
func poll(network *lab.Network) error {
	nic, err := network.NICName()
	if err != nil {
		return err
	}
	return network.Pod.Poll(nic)
}

// Send sends packets as fast as the datapath lets it. The set-up of a call takes some milliseconds, and nothing
// ends it early: packets should be those of a second or so.
func (g *Generator) Send(packets uint32) error {
	return g.peer.On(lab.PeerCPU, func() error {
		_, err := g.objects.TapirGen.Run(&ebpf.RunOptions{Data: g.frame, Repeat: packets, Flags: liveFrames})
		if err != nil {
			return fmt.Errorf("generating packets: %w", err)
		}
		return nil
	})
}

// Close detaches and unloads the programs.
func (g *Generator) Close() error {
	err := g.objects.Close()
	if g.send != nil {
		err = errors.Join(g.send.Close(), err)
	}
	return err
}
