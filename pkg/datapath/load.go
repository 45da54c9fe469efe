// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
)

// constants are what a NIC's programs are compiled with: they change only by loading other programs.
type constants struct {
	Addresses *Addresses `json:"addresses"`
	NICIndex  int        `json:"nicIndex"`
	TapIndex  int        `json:"tapIndex"`
}

// programsDigest names the BPF code in this binary, so that another version's programs are recognised.
func programsDigest() string {
	sum := sha256.Sum256(_MasqueradeBytes)
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

// specialise reads the embedded programs and sets the constants of one NIC in them.
func specialise(c *constants, flows int) (*ebpf.CollectionSpec, error) {
	spec, err := loadMasquerade()
	if err != nil {
		return nil, fmt.Errorf("reading the embedded programs: %w", err)
	}
	spec.Maps[masqueradeMapFlows].MaxEntries = uint32(flows)
	unit, err := clockUnit()
	if err != nil {
		return nil, err
	}
	a := c.Addresses
	vars := map[string]any{
		masqueradeVarTapIfindex: uint32(c.TapIndex),
		masqueradeVarNicIfindex: uint32(c.NICIndex),
		masqueradeVarNicMtu:     uint32(a.MTU),
		masqueradeVarEpochShift: epochShifts(unit),
		masqueradeVarHasIpv4:    a.Pod4.IsValid(),
		masqueradeVarHasIpv6:    a.Pod6.IsValid(),
	}
	if a.Pod4.IsValid() {
		vars[masqueradeVarFamily4] = familyOf(a.Guest4, a.Pod4, a.Gateway4, loopback4, a.Prefix4)
	}
	if a.Pod6.IsValid() {
		vars[masqueradeVarFamily6] = familyOf(a.Guest6, a.Pod6, a.Gateway6, netip.IPv6Loopback(), a.Prefix6)
	}
	for name, value := range vars {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("setting %s in the programs: %w", name, err)
		}
	}
	return spec, nil
}

// load makes the programs of one NIC. Maps in reuse take the place of new ones.
func load(spec *ebpf.CollectionSpec, reuse map[string]*ebpf.Map) (*masqueradeObjects, error) {
	var objs masqueradeObjects
	err := spec.LoadAndAssign(&objs, &ebpf.CollectionOptions{MapReplacements: reuse})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return nil, fmt.Errorf("loading the programs: this kernel is too old (5.14 is the first that does): %w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the programs into the kernel: %w", err)
	}
	return &objs, nil
}
