// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is USER_HZ, the unit of /proc/stat: the kernel's interface to user space fixes it.
const tick = time.Second / 100

// A clock measures time, and processor time of the whole machine: interrupts belong to no process.
type clock struct {
	start time.Time
	busy  time.Duration
}

func startClock() (clock, error) {
	busy, err := machineBusy()
	return clock{time.Now(), busy}, err
}

// stop returns the time since the start, and the sum over all processors of what they were busy for.
func (c clock) stop() (took, busy time.Duration, err error) {
	took = time.Since(c.start)
	busy, err = machineBusy()
	return took, busy - c.busy, err
}

// machineBusy adds up user, nice, system, irq and softirq of /proc/stat's first line (proc(5)).
func machineBusy() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("reading processor times: %w", err)
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7} {
		if i >= len(fields) {
			return 0, fmt.Errorf("reading processor times: /proc/stat begins with %q", line)
		}
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading processor times: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
