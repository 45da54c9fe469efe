// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Check says before a run what would make it fail half-way: too little memory, too few processors, a missing tool.
func Check(p Plan) error {
	if n := runtime.NumCPU(); n < 2 {
		return fmt.Errorf("the two ends of a load need a processor each, and this process may use %d: give it more", n)
	}
	if _, err := exec.LookPath("nft"); err != nil {
		return fmt.Errorf("KubeVirt's rules need nft: install what Debian calls nftables: %w", err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("asking for free memory: %w", err)
	}
	free, need := (info.Freeram+info.Bufferram)*uint64(info.Unit)>>20, memory(p)
	if free < need {
		return fmt.Errorf("this run needs %d MiB of free memory, and there are %d: --quick, or fewer --load, takes less", need, free)
	}
	return nil
}

// memory is what a plan needs at most, in MiB: namespaces and buffers, and the flow tables of one load.
func memory(p Plan) uint64 {
	const (
		base        = 300
		bytesOfFlow = 600 // a tracked connection, or an entry of Tapir's tables
	)
	flows := 0
	for _, l := range p.Loads {
		flows = max(flows, l.Conditions().Table)
	}
	return base + uint64(flows)*bytesOfFlow*uint64(len(p.Datapaths))>>20
}
