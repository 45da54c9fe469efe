// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"net"
	"testing"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

func mac(t *testing.T, text string) net.HardwareAddr {
	t.Helper()
	address, err := net.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestPick(t *testing.T) {
	for _, ends := range [][2]string{
		{"02:54:00:00:00:00", "02:54:ff:ff:ff:ff"},
		{"02:00:00:00:00:00", "02:00:00:00:00:01"}, // the first is the gateway's
		{"0a:00:00:00:00:07", "0a:00:00:00:00:07"},
	} {
		first, last := mac(t, ends[0]), mac(t, ends[1])
		if err := checkRange(first, last); err != nil {
			t.Errorf("%v: %v", ends, err)
		}
		for range 200 {
			got := pick(first, last)
			if n := number(got); n < number(first) || n > number(last) || got[0]&1 != 0 || n == number(datapath.GatewayMAC) {
				t.Fatalf("%v: picked %v", ends, got)
			}
		}
	}
}

func TestCheckRange(t *testing.T) {
	for _, ends := range [][2]string{
		{"02:54:00:00:00:01", "02:54:00:00:00:00"},
		{"01:00:00:00:00:00", "02:00:00:00:00:00"},
		{"02:00:00:00:00:00", "04:00:00:00:00:00"},
		{"02:00:00:00:00:00", "02:00:00:00:00:00"},
		{"02:00:00:00:00:00:00:00", "02:00:00:00:00:00:00:01"},
	} {
		if err := checkRange(mac(t, ends[0]), mac(t, ends[1])); err == nil {
			t.Errorf("%v is accepted", ends)
		}
	}
}
