// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
	kubevirt "kubevirt.io/api/core/v1"
)

const (
	maxPlan = 8 << 20 // bytes; a VirtualMachineInstance has at most etcd's 1.5 MiB
	// maxPlanFiles is more than the NICs of a machine can have: two for each of 256 queues, and three sockets.
	maxPlanFiles = 4096
)

// Plan is what a launcher makes a machine of.
type Plan struct {
	VMI  *kubevirt.VirtualMachineInstance `json:"vmi"`
	NICs []NIC                            `json:"nics"`
}

// NIC is what the agent has made of an interface, and which of a plan's descriptors belong to it: those of the tap's queues,
// of vhost-net, and the sockets of the servers, in this order.
type NIC struct {
	Name   string `json:"name"`   // the interface's in the VMI
	Queues int    `json:"queues"` // of the tap, a descriptor each
	VHost  bool   `json:"vhost"`  // as many descriptors of vhost-net follow
	MTU    int    `json:"mtu"`    // bytes
	// What the guest is told by DHCP. A family without a guest's address is not served, and has no socket.
	Guest4     netip.Prefix `json:"guest4"`     // its address and the length of its network; UDP port 67 follows
	Gateway4   netip.Addr   `json:"gateway4"`   //
	Guest6     netip.Addr   `json:"guest6"`     // UDP port 547 and raw ICMPv6 follow
	Prefix6    netip.Prefix `json:"prefix6"`    // advertised on-link
	GatewayMAC string       `json:"gatewayMAC"` //
}

// Files are the descriptors of one NIC.
type Files struct {
	Taps, VHost      []*os.File
	DHCP4, DHCP6, RA *os.File
}

// errUnfit says that the agent's own plan and descriptors don't go together.
var errUnfit = errors.New("descriptors that aren't those of the plan")

// files is how many descriptors a NIC has.
func (n *NIC) files() int {
	count := n.Queues
	if n.VHost {
		count *= 2
	}
	if n.Guest4.IsValid() {
		count++
	}
	if n.Guest6.IsValid() {
		count += 2
	}
	return count
}

// list puts a NIC's descriptors in order. Returns an error when they aren't those that n says.
func (n *NIC) list(f Files) ([]*os.File, error) {
	all := append(append([]*os.File{}, f.Taps...), f.VHost...)
	for _, socket := range []*os.File{f.DHCP4, f.DHCP6, f.RA} {
		if socket != nil {
			all = append(all, socket)
		}
	}
	if len(all) != n.files() || len(f.Taps) != n.Queues {
		return nil, fmt.Errorf("%w: interface %s has %d, its plan says %d", errUnfit, n.Name, len(all), n.files())
	}
	return all, nil
}

// split gives each NIC its descriptors. Returns an error wrapping ErrProtocol when the plan says another number of them, or what
// no plan says.
func (p *Plan) split(files []*os.File) ([]Files, error) {
	if p.VMI == nil {
		return nil, fmt.Errorf("%w: a plan without a machine", ErrProtocol)
	}
	want := 0
	for i := range p.NICs {
		n := &p.NICs[i]
		if n.Queues < 1 || n.Queues > maxPlanFiles/4 {
			return nil, fmt.Errorf("%w: interface %q of %d queues", ErrProtocol, n.Name, n.Queues)
		}
		want += n.files()
	}
	if want != len(files) {
		return nil, fmt.Errorf("%w: %d descriptors, the plan says %d", ErrProtocol, len(files), want)
	}
	take := func(count int) (taken []*os.File) {
		taken, files = files[:count:count], files[count:]
		return taken
	}
	split := make([]Files, len(p.NICs))
	for i, n := range p.NICs {
		f := &split[i]
		f.Taps = take(n.Queues)
		if n.VHost {
			f.VHost = take(n.Queues)
		}
		if n.Guest4.IsValid() {
			f.DHCP4 = take(1)[0]
		}
		if n.Guest6.IsValid() {
			sockets := take(2)
			f.DHCP6, f.RA = sockets[0], sockets[1]
		}
	}
	return split, nil
}

// Close closes all descriptors.
func (f Files) Close() error {
	closeAll(f.Taps)
	closeAll(f.VHost)
	var errs []error
	for _, socket := range []*os.File{f.DHCP4, f.DHCP6, f.RA} {
		if socket != nil {
			errs = append(errs, socket.Close())
		}
	}
	return errors.Join(errs...)
}

// file puts the plan into a file in memory.
func (p *Plan) file() (*os.File, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory for the plan: %w", err)
	}
	f := os.NewFile(uintptr(fd), "plan")
	if _, err := f.Write(text); err != nil {
		f.Close()
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	return f, nil
}

// readPlan reads what file wrote, from its beginning: the offset came with the descriptor.
func readPlan(f *os.File) (*Plan, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxPlan {
		return nil, fmt.Errorf("%w: the plan is no file of at most %d bytes", ErrProtocol, maxPlan)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	p := new(Plan)
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("%w: the plan: %w", ErrProtocol, err)
	}
	return p, nil
}
