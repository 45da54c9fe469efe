// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
)

// testAddresses are those of the packet tests.
func testAddresses(v4, v6 bool) *Addresses {
	a := &Addresses{MTU: 1500}
	if v4 {
		a.Pod4 = netip.MustParseAddr("10.244.1.7")
		a.Prefix4, a.Gateway4, a.Guest4 = guestNetwork(DefaultCIDR4)
	}
	if v6 {
		a.Pod6 = netip.MustParseAddr("fd00:10:244::7")
		a.Prefix6, a.Gateway6, a.Guest6 = guestNetwork(DefaultCIDR6)
	}
	return a
}

const testNIC, testTap = 1, 1 // lo: test runs need a device that exists

func testLoad(t testing.TB, a *Addresses, flows int) *masqueradeObjects {
	t.Helper()
	spec, err := specialise(&constants{Addresses: a, NICIndex: testNIC, TapIndex: testTap, NICMAC: podMAC.String()}, flows)
	if err != nil {
		t.Fatal(err)
	}
	return testLoadSpec(t, spec)
}

func testLoadSpec(t testing.TB, spec *ebpf.CollectionSpec) *masqueradeObjects {
	t.Helper()
	var objs masqueradeObjects
	err := spec.LoadAndAssign(&objs, nil)
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		t.Fatalf("the verifier refuses (are you root?): %+v", verifier)
	}
	if err != nil {
		t.Fatalf("loading needs root: %v", err)
	}
	t.Cleanup(func() { objs.Close() })
	return &objs
}

// The verifier follows constants, so each combination of families is another program to it.
func TestLoadEachFamily(t *testing.T) {
	for name, families := range map[string][2]bool{"IPv4": {true, false}, "IPv6": {false, true}, "dual": {true, true}} {
		t.Run(name, func(t *testing.T) {
			testLoad(t, testAddresses(families[0], families[1]), DefaultFlows)
		})
	}
}
