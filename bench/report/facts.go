// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/revision"
)

// Facts say where figures come from.
type Facts struct {
	Machine    string  `json:"machine"` // processor model
	Processors int     `json:"processors"`
	MemoryMiB  uint64  `json:"memoryMiB"`
	Kernel     string  `json:"kernel"`
	Load       string  `json:"load"` // load averages before the run: what else the machine was doing
	Busy       float64 `json:"busy"` // share of the processors that others used before the run
	Governor   string  `json:"governor,omitempty"`
	Revision   string  `json:"revision"` // git's, marked where files had changed
	Go         string  `json:"go"`
}

// Gather collects them; what the machine doesn't tell is "unknown".
func Gather() Facts {
	f := Facts{
		Machine:    processor(),
		Processors: runtime.NumCPU(),
		Kernel:     kernel(),
		Load:       strings.Join(first(3, readText("/proc/loadavg")), " "),
		Governor:   strings.TrimSpace(readText("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
		Revision:   revision.Get(),
		Go:         runtime.Version(),
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		f.MemoryMiB = info.Totalram * uint64(info.Unit) >> 20
	}
	return f
}

func readText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

func first(n int, text string) []string {
	fields := strings.Fields(text)
	return fields[:min(n, len(fields))]
}

func processor() string {
	for lines := bufio.NewScanner(strings.NewReader(readText("/proc/cpuinfo"))); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "unknown"
	}
	text := func(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }
	return text(name.Release[:]) + " " + text(name.Machine[:])
}
