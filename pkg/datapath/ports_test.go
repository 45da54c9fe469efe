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
	var settings masqueradeSettings
	if err := nic.maps.Settings.Lookup(uint32(0), &settings); err != nil {
		t.Fatal(err)
	}
	if settings.PortsOnly == 0 {
		return nil
	}
	ports := []Port{}
	for class, protocol := range []string{"tcp", "udp"} {
		for word := range portWords {
			var bits uint64
			if err := nic.maps.Ports.Lookup((settings.Bank*2+uint32(class))*portWords+uint32(word), &bits); err != nil {
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

// What was learnt stays until a MAC is told that counts instead; when that is taken back, the next one is learnt.
func TestSetMAC(t *testing.T) {
	objs := testLoad(t, testAddresses(true, true), minFlows)
	learnt := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	for i, step := range []struct{ learn, set, want net.HardwareAddr }{
		{nil, nil, nil},
		{learnt, nil, learnt},
		{nil, guestMAC, guestMAC},
		{nil, nodeMAC, nodeMAC},
		{nil, nil, nil},
		{learnt, nil, learnt},
	} {
		if step.learn != nil { // as mac_learn of bpf/tap_in.h
			put(t, objs.State, 0, masqueradeNicState{GuestMac: macWord(step.learn)})
		}
		if err := setSettings(&objs.masqueradeMaps, nil, step.set); err != nil {
			t.Fatal(err)
		}
		if got, err := knownMAC(&objs.masqueradeMaps); err != nil || got.String() != step.want.String() {
			t.Errorf("step %d: MAC %s, %v, want %s", i, got, err, step.want)
		}
	}
}
