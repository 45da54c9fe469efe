// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"testing"
)

// The rig's clock stands still. Instead, what the programs have written is made older.

// epochShift is the length of an epoch of a port space, as specialise sets it.
func epochShift(t testing.TB, class uint8) uint8 {
	t.Helper()
	unit, err := clockUnit()
	if err != nil {
		t.Fatal(err)
	}
	return epochShifts(unit)[class]
}

const ownerWords = 65536 / 8 // of a port space in the owners map: bpf/owners.h

func classOf(proto, ipv6 uint8) uint8 {
	switch {
	case proto == 6:
		return classTCP
	case proto == 17:
		return classUDP
	case proto == 1 && ipv6 == 0, proto == 58 && ipv6 == 1:
		return classICMP
	}
	return classOther
}

// age lets epochs pass, of every port space at once.
func (r *rig) age(t testing.TB, epochs uint32) {
	t.Helper()
	r.eachOwnerWord(t, func(class uint8, word uint64) uint64 {
		if word == 0 {
			return 0
		}
		return word - uint64(epochs)<<32
	})
	for slot, f := range r.flowTable(t) {
		f.Tuple -= uint64(epochs) << tupleEpoch
		f.Seen -= epochs << epochShift(t, f.class())
		put(t, r.Flows, slot, f)
	}
	for _, key := range keysOf[masqueradeFragKey](t, r.Fragments) {
		var value uint32
		if err := r.Fragments.Lookup(key, &value); err != nil {
			t.Fatal(err)
		}
		if err := r.Fragments.Put(key, value-epochs<<2); err != nil { // its epoch stands above the side
			t.Fatal(err)
		}
	}
	for _, key := range keysOf[masqueradeFlowKey](t, r.Contested) {
		var c masqueradeContest
		if err := r.Contested.Lookup(key, &c); err != nil {
			t.Fatal(err)
		}
		c.Seen -= epochs << epochShift(t, classOf(key.Proto, key.Ipv6))
		if err := r.Contested.Put(key, c); err != nil {
			t.Fatal(err)
		}
	}
}

// eachOwnerWord changes the words of the owners map.
func (r *rig) eachOwnerWord(t testing.TB, change func(class uint8, word uint64) uint64) {
	t.Helper()
	all := make([]byte, r.owners.Size())
	if _, err := r.owners.ReadAt(all, 0); err != nil {
		t.Fatal(err)
	}
	for i := range len(all) / 8 {
		word := binary.NativeEndian.Uint64(all[8*i:])
		binary.NativeEndian.PutUint64(all[8*i:], change(uint8(i/ownerWords%masqueradeClasses), word))
	}
	if _, err := r.owners.WriteAt(all, 0); err != nil {
		t.Fatal(err)
	}
}

// ownEverything gives sides every port towards everybody.
func (r *rig) ownEverything(t testing.TB, sides ...masqueradeSide) {
	t.Helper()
	var bits uint64
	for _, side := range sides {
		bits |= map[masqueradeSide]uint64{masqueradeSideSIDE_POD: 0xff << 8, masqueradeSideSIDE_GUEST: 0xff << 24}[side]
	}
	var epochs [masqueradeClasses]uint64
	for class := range epochs {
		epochs[class] = rigClock >> epochShift(t, uint8(class))
	}
	r.eachOwnerWord(t, func(class uint8, _ uint64) uint64 { return epochs[class]<<32 | bits })
}
