// SPDX-License-Identifier: Apache-2.0

package datapath

import "testing"

// A NIC's maps cost 4 MiB at most with the flow table that it has by default, in use as well as empty.
func TestMemory(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	for _, f := range both {
		crowd(t, n, f, 20000)
	}
	s := status(t, cfg)
	if s.Config.Flows != 16384 || s.FlowCount < 1000 {
		t.Errorf("%d flows in a table for %d", s.FlowCount, s.Config.Flows)
	}
	if s.MapBytes == 0 || s.MapBytes > 4<<20 {
		t.Errorf("the maps take %d bytes", s.MapBytes)
	}
	t.Logf("%d bytes for %d flows", s.MapBytes, s.FlowCount)
}
