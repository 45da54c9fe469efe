// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"os"
	"testing"
)

// A NIC that was attached by a path of a process that is no more is read all the same, whatever the path leads to by now.
func TestStalePath(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	file, err := os.Open(pod.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cfg := config(pod)
	cfg.NetNS = fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	again(t, cfg)
	cfg.NetNS = pod.Path()
	t.Cleanup(func() { detach(t, cfg) })
	nic := open(t, cfg)
	for _, path := range []string{"/proc/self/fd/1000000", "/proc/self/ns/net", "/etc/passwd"} {
		nic.record.Config.NetNS = path
		if _, err := nic.LinkCounters(); err != nil {
			t.Errorf("by %s: %v", path, err)
		}
		if s, err := nic.Status(); err != nil || !s.Healthy {
			t.Errorf("by %s: %+v, %v", path, s, err)
		}
	}
}
