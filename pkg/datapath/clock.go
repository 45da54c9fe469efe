// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// How long a side keeps a port after its last use at least (and at most four times as long), by port space. TCP: a day, since
// only an evicted idle connection depends on it (RFC 5382 wants 2 h 4 min); UDP: RFC 4787, REQ-5; ICMP: RFC 5508, REQ-1.
var portLease = [masqueradeClasses]time.Duration{24 * time.Hour, 2 * time.Minute, time.Minute, 10 * time.Minute}

// enum class of bpf/types.h: port spaces.
const (
	classTCP = iota
	classUDP
	classICMP
	classOther
	masqueradeClasses
)

const clockShift = 6 // bpf/clock.h counts in units of 64 jiffies

// clockUnit is what the programs' clock counts in. The coarse clocks advance once a jiffy, and say so.
func clockUnit() (time.Duration, error) {
	var res unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &res); err != nil {
		return 0, fmt.Errorf("finding the kernel's tick length: %w", err)
	}
	return time.Duration(res.Nano()) << clockShift, nil
}

// epochShifts gives the shortest epochs, as shifts of the clock, that last at least as long as portLease.
func epochShifts(unit time.Duration) (shifts [masqueradeClasses]uint8) {
	for class, lease := range portLease {
		for unit<<shifts[class] < lease {
			shifts[class]++
		}
	}
	return shifts
}
