// SPDX-License-Identifier: Apache-2.0

package datapath

import "testing"

// A node with a hundred guests pays for each NIC's maps, all at once, in the cgroup of whoever attached it.
func TestMapsAreSmall(t *testing.T) {
	const limit = 4 << 20
	_, pod := newPod(t, both...)
	cfg := config(pod)
	attach(t, cfg)
	s := status(t, cfg)
	if s.Config.Flows != DefaultFlows || s.MapBytes == 0 || s.MapBytes > limit {
		t.Errorf("maps with %d flows take %d bytes, want %d at most", s.Config.Flows, s.MapBytes, limit)
	}
	t.Logf("maps with %d flows take %d KiB", s.Config.Flows, s.MapBytes>>10)
}
