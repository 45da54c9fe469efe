// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"slices"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// BenchmarkAttach prints how long a first attach takes, in milliseconds: the median and the spread.
func BenchmarkAttach(b *testing.B) {
	network := nstest.NewTopology(b)
	cfg := Config{NetNS: network.Pod.Path(), NIC: "eth0", Tap: "tap0", TapUID: -1, TapGID: -1}
	var took []float64
	for b.Loop() {
		start := time.Now()
		nic, err := Attach(cfg)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
		b.StopTimer()
		nic.Close()
		if err := Detach(cfg.NetNS, cfg.Tap); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "ms/attach")
	b.ReportMetric(took[len(took)/10], "ms-p10")
	b.ReportMetric(took[len(took)*9/10], "ms-p90")
	b.ReportMetric(0, "ns/op")
}
