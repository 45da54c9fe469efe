// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
)

// constants are what a NIC's programs are compiled with: they change only by loading other programs.
type constants struct {
	Addresses *Addresses `json:"addresses"`
	NICIndex  int        `json:"nicIndex"`
	TapIndex  int        `json:"tapIndex"`
	NICMAC    string     `json:"nicMAC"`
	FlowSeed  uint64     `json:"flowSeed"`
	Peer      bool       `json:"peer"`   // packets leave by bpf_redirect_peer
	XDP       bool       `json:"xdp"`    // datagrams of known flows come in by XDP
	XDPOut    bool       `json:"xdpOut"` // and leave by it
}

// programsDigest names the BPF code in this binary, so that another version's programs are recognised.
func programsDigest() string {
	sum := sha256.Sum256(slices.Concat(_MasqueradeBytes, _FastpathBytes))
	return hex.EncodeToString(sum[:8])
}

var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// familyOf fills struct family of bpf/types.h.
func familyOf(guest, pod, gateway, loopback netip.Addr, prefix netip.Prefix) (f masqueradeFamily) {
	f.Guest.Word, f.Pod.Word, f.Gateway.Word = words(guest), words(pod), words(gateway)
	f.Loopback.Word, f.Prefix.Word = words(loopback), words(prefix.Addr())
	f.Mask.Word = words(maskOf(prefix))
	pair := func(a ...netip.Addr) []netip.Addr { return a }
	f.ToPod = checksumDifference(pair(guest), pair(pod))
	f.ToGuest = checksumDifference(pair(pod), pair(guest))
	f.FromLo = checksumDifference(pair(loopback, loopback), pair(gateway, guest))
	f.ToLo = checksumDifference(pair(gateway, guest), pair(loopback, loopback))
	return f
}

// embedded is what bpf2go compiled into this binary. Callers change copies of it.
var (
	embedded         = sync.OnceValues(loadMasquerade)
	embeddedFastpath = sync.OnceValues(loadFastpath)
)

// specialise sets the constants of one NIC in the TC programs.
func specialise(c *constants, flows int) (*ebpf.CollectionSpec, error) {
	return c.set(embedded, flows)
}

// specialiseFastpath does so in the XDP programs.
func specialiseFastpath(c *constants, flows int) (*ebpf.CollectionSpec, error) {
	spec, err := c.set(embeddedFastpath, flows)
	if err == nil && !c.XDPOut {
		delete(spec.Programs, fastpathProgTapirXdpTap)
	}
	return spec, err
}

func (c *constants) set(source func() (*ebpf.CollectionSpec, error), flows int) (*ebpf.CollectionSpec, error) {
	spec, err := source()
	if err != nil {
		return nil, fmt.Errorf("reading the embedded programs: %w", err)
	}
	spec = spec.Copy()
	spec.Maps[masqueradeMapFlows].MaxEntries = uint32(flows)
	unit, err := clockUnit()
	if err != nil {
		return nil, err
	}
	nicMAC, err := net.ParseMAC(c.NICMAC)
	if err != nil {
		return nil, fmt.Errorf("reading the pod NIC's MAC: %w", err)
	}
	a := c.Addresses
	var families [2]masqueradeFamily
	if a.Pod4.IsValid() {
		families[0] = familyOf(a.Guest4, a.Pod4, a.Gateway4, loopback4, a.Prefix4)
	}
	if a.Pod6.IsValid() {
		families[1] = familyOf(a.Guest6, a.Pod6, a.Gateway6, netip.IPv6Loopback(), a.Prefix6)
	}
	vars := map[string]any{
		masqueradeVarTapIfindex:   uint32(c.TapIndex),
		masqueradeVarNicIfindex:   uint32(c.NICIndex),
		masqueradeVarNicMtu:       uint32(a.MTU),
		masqueradeVarNicMac:       macWord(nicMAC),
		masqueradeVarRedirectPeer: c.Peer,
		masqueradeVarSecond:       uint32(max(1, time.Second/unit)),
		masqueradeVarFlowSlots:    uint32(flows),
		masqueradeVarFlowSeed:     c.FlowSeed,
		masqueradeVarEpochShift:   epochShifts(unit),
		masqueradeVarHasIpv4:      a.Pod4.IsValid(),
		masqueradeVarHasIpv6:      a.Pod6.IsValid(),
		masqueradeVarFamilies:     families,
	}
	for name, value := range vars {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("setting %s in the programs: %w", name, err)
		}
	}
	return spec, nil
}

// loading is a NIC's maps, and its programs on their way into the kernel. The verifier takes most of the time of an
// attach, so each program is loaded by a goroutine of its own, and the pod is prepared meanwhile.
type loading struct {
	maps     masqueradeMaps
	programs map[string]func() (*ebpf.Program, error) // by name; wait for the program
	rest     []*ebpf.Map                              // those that only the programs use, and copies
}

// load starts it. Maps in reuse take the place of new ones; all objects have the same maps.
func load(specs []*ebpf.CollectionSpec, reuse map[string]*ebpf.Map) (*loading, error) {
	l := &loading{programs: map[string]func() (*ebpf.Program, error){}}
	pinned := pinnedMaps(&l.maps)
	for i, spec := range specs {
		made, err := ebpf.NewCollectionWithOptions(
			&ebpf.CollectionSpec{Maps: spec.Maps, Variables: spec.Variables, Types: spec.Types},
			ebpf.CollectionOptions{MapReplacements: reuse})
		if err != nil {
			l.close()
			return nil, errors.Join(explainLoad(err), l.maps.Close())
		}
		if i == 0 {
			reuse = map[string]*ebpf.Map{}
		}
		for name, m := range made.Maps {
			if slot := pinned[name]; slot == nil || i > 0 {
				l.rest = append(l.rest, m)
			} else {
				*slot, reuse[name] = m, m
			}
		}
		for name := range spec.Programs {
			l.programs[name] = sync.OnceValues(func() (*ebpf.Program, error) { return loadProgram(spec, name, made.Maps) })
			go l.programs[name]()
		}
	}
	return l, nil
}

func loadProgram(spec *ebpf.CollectionSpec, name string, all map[string]*ebpf.Map) (*ebpf.Program, error) {
	one := &ebpf.CollectionSpec{Maps: spec.Maps, Programs: map[string]*ebpf.ProgramSpec{name: spec.Programs[name]}, Types: spec.Types}
	c, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: all})
	if err != nil {
		return nil, explainLoad(err)
	}
	defer c.Close()
	return c.DetachProgram(name), nil
}

func explainLoad(err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("loading the programs: this kernel is too old (5.14 is the first that does): %w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("loading the programs into the kernel: %w", err)
}

// wait returns when every program is loaded, or one can't be.
func (l *loading) wait() error {
	for _, program := range l.programs {
		if _, err := program(); err != nil {
			return err
		}
	}
	return nil
}

// close waits for the programs, and lets go of all but l.maps. What hangs or is pinned stays in the kernel.
func (l *loading) close() {
	for _, program := range l.programs {
		if p, err := program(); err == nil {
			p.Close()
		}
	}
	for _, m := range l.rest {
		m.Close()
	}
}
