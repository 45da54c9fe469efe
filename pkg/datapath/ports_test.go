// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"slices"
	"testing"
)

// readPorts reads the ports that the programs take for the guest's; nil means all.
func readPorts(t *testing.T, nic *NIC) []Port {
	t.Helper()
	var state masqueradeNicState
	if err := nic.maps.State.Lookup(uint32(0), &state); err != nil {
		t.Fatal(err)
	}
	if state.PortsOnly == 0 {
		return nil
	}
	ports := []Port{}
	for class, protocol := range []string{"tcp", "udp"} {
		for word := range portWords {
			var bits uint64
			if err := nic.maps.Ports.Lookup((state.Bank*2+uint32(class))*portWords+uint32(word), &bits); err != nil {
				t.Fatal(err)
			}
			for bit := range 64 {
				if bits>>bit&1 != 0 {
					ports = append(ports, Port{Protocol: protocol, Port: uint16(word*64 + bit)})
				}
			}
		}
	}
	return ports
}

func TestDeclaredPorts(t *testing.T) {
	_, pod := newPod(t, both...)
	cfg := config(pod)
	attach(t, cfg)
	all := []Port{}
	for _, protocol := range []string{"tcp", "udp"} {
		for port := 1; port <= 65535; port++ {
			all = append(all, Port{Protocol: protocol, Port: uint16(port)})
		}
	}
	for _, ports := range [][]Port{
		nil,
		{{Protocol: "tcp", Port: 1}},
		{{Protocol: "udp", Port: 65535}},
		nil,
		{{Protocol: "tcp", Port: 63}, {Protocol: "tcp", Port: 64}, {Protocol: "udp", Port: 64}},
		all,
		{{Protocol: "tcp", Port: 80}},
	} {
		cfg.Ports = ports
		again(t, cfg)
		if got := readPorts(t, open(t, cfg)); !slices.Equal(got, ports) || (got == nil) != (ports == nil) {
			t.Errorf("%d ports are declared, want %d", len(got), len(ports))
		}
	}
}

// The state is written whole: what was learnt stays, what is told counts.
func TestSetState(t *testing.T) {
	objs := testLoad(t, testAddresses(true, true), minFlows)
	mac := func(want net.HardwareAddr) {
		t.Helper()
		var state masqueradeNicState
		if err := objs.State.Lookup(uint32(0), &state); err != nil {
			t.Fatal(err)
		}
		if got := macOf(state.GuestMac); got.String() != want.String() {
			t.Errorf("MAC %s, want %s", got, want)
		}
	}
	for _, step := range []struct{ set, want net.HardwareAddr }{{nil, nil}, {guestMAC, guestMAC}, {nil, guestMAC}, {nodeMAC, nodeMAC}} {
		if err := setState(&objs.masqueradeMaps, nil, step.set); err != nil {
			t.Fatal(err)
		}
		mac(step.want)
	}
}
