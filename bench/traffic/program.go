// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/bench/lab"
)

// load loads a copy of the programs with these variables.
func load(variables map[string]any) (objects trafficObjects, err error) {
	spec, err := loadTraffic()
	if err != nil {
		return objects, fmt.Errorf("reading the traffic programs: %w", err)
	}
	for name, value := range variables {
		if err := spec.Variables[name].Set(value); err != nil {
			return objects, fmt.Errorf("setting %s of the traffic programs: %w", name, err)
		}
	}
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return objects, fmt.Errorf("loading the traffic programs: %w", err)
	}
	return objects, nil
}

// attach hangs a program on the ingress of a link.
func attach(namespace *lab.Namespace, index int, program *ebpf.Program) (attached link.Link, err error) {
	err = namespace.Run(func() error {
		attached, err = link.AttachTCX(link.TCXOptions{
			Interface: index, Program: program, Attach: ebpf.AttachTCXIngress,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attaching a traffic program (needs Linux 6.6): %w", err)
	}
	return attached, nil
}

func linkIndex(namespace *lab.Namespace, name string) (index int, err error) {
	err = namespace.Run(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("finding link %s: %w", name, err)
		}
		index = l.Attrs().Index
		return nil
	})
	return index, err
}
