// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrMemory says that a load needs more memory than is free.
var ErrMemory = errors.New("too little memory")

const (
	base        = 300 // MiB: namespaces and buffers
	bytesOfFlow = 600 // a tracked connection, or an entry of Tapir's tables
)

// memory is what an entry needs at most, in MiB.
func (e Entry) memory() uint64 {
	return base + uint64(e.Conditions().Table)*bytesOfFlow*uint64(len(e.On))>>20
}

// freeMemory is in MiB, with what the kernel would give up of its caches: they fill all memory in time.
func freeMemory() (uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("asking for free memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var kib uint64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib >> 10, nil
		}
	}
	return 0, errors.New("asking for free memory: /proc/meminfo doesn't tell MemAvailable")
}
