// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A policy stands for what a CNI has on the ingress of a pod's veth, on the node's side.
type policy struct {
	link        link.Link
	watch, deny *ebpf.Program
	sightings   *ebpf.Map
}

// A sighting counts the packets that met the policy; those of groups aside.
type sighting struct {
	host, others uint64
	destination  string // of the last one
}

// attachPolicy attaches one that lets everything pass, until the test ends.
func attachPolicy(t *testing.T, n *nstest.Namespace, device string) *policy {
	t.Helper()
	p := new(policy)
	var err error
	p.sightings, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 24, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.sightings.Close() })
	const pktType, data, dataEnd = 4, 76, 80 // struct __sk_buff
	p.watch = tcProgram(t,
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.R10, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, p.sightings.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R1, asm.R6, pktType, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "count"), // PACKET_HOST
		asm.JNE.Imm(asm.R1, 3, "pass"),  // PACKET_OTHERHOST
		asm.Mov.Imm(asm.R1, 8),
		asm.Add.Reg(asm.R1, asm.R0).WithSymbol("count"),
		asm.Mov.Imm(asm.R2, 1),
		asm.AddAtomic.Mem(asm.R1, asm.R2, asm.DWord, 0),
		asm.LoadMem(asm.R3, asm.R6, data, asm.Word),
		asm.LoadMem(asm.R4, asm.R6, dataEnd, asm.Word),
		asm.Mov.Reg(asm.R5, asm.R3),
		asm.Add.Imm(asm.R5, 14),
		asm.JGT.Reg(asm.R5, asm.R4, "pass"),
		asm.LoadMem(asm.R1, asm.R3, 0, asm.Word),
		asm.StoreMem(asm.R0, 16, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R3, 4, asm.Half),
		asm.StoreMem(asm.R0, 20, asm.R1, asm.Half),
		asm.Mov.Imm(asm.R0, -1).WithSymbol("pass"),
		asm.Return(),
	)
	p.deny = tcProgram(t, asm.Mov.Imm(asm.R0, 2), asm.Return())
	p.link = hang(t, n, device, func(index int) (link.Link, error) {
		return link.AttachTCX(link.TCXOptions{Program: p.watch, Attach: ebpf.AttachTCXIngress, Interface: index})
	})
	return p
}

func tcProgram(t *testing.T, instructions ...asm.Instruction) *ebpf.Program {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: instructions})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { program.Close() })
	return program
}

// hang attaches a program to a device in a namespace until the test ends.
func hang(t *testing.T, n *nstest.Namespace, device string, attach func(index int) (link.Link, error)) link.Link {
	t.Helper()
	l, err := nstest.Run(n, func() (link.Link, error) {
		d, err := netlink.LinkByName(device)
		if err != nil {
			return nil, err
		}
		return attach(d.Attrs().Index)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func (p *policy) seen(t *testing.T) sighting {
	t.Helper()
	var raw struct{ Host, Others, MAC uint64 }
	if err := p.sightings.Lookup(uint32(0), &raw); err != nil {
		t.Fatal(err)
	}
	return sighting{raw.Host, raw.Others, macOf(raw.MAC).String()}
}

// drop makes it drop everything, or nothing.
func (p *policy) drop(t *testing.T, on bool) {
	t.Helper()
	program := p.watch
	if on {
		program = p.deny
	}
	if err := p.link.Update(program); err != nil {
		t.Fatal(err)
	}
}
