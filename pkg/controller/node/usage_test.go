// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// coreShare is what a process takes of a core while something is done, in percent.
func coreShare(t testing.TB, pid int, do func()) float64 {
	t.Helper()
	start, before := time.Now(), worked(t, pid)
	do()
	return 100 * (worked(t, pid) - before).Seconds() / time.Since(start).Seconds()
}

// worked is how long a process has run on processors, itself and the kernel for it.
func worked(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name before may have spaces
	var ticks int64
	for _, field := range strings.Fields(after)[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatalf("read the time that process %d has run: %v", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// statusMiB is an amount of memory in a process's status.
func statusMiB(t testing.TB, pid int, name string) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n"+name+":")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatalf("read %s of process %d: %v", name, pid, err)
	}
	return kib / 1024
}
