// SPDX-License-Identifier: Apache-2.0

// Package privilege takes from a process what it doesn't need of root's power.
//
// Capabilities belong to threads, and Go has many by the time that main runs. So [Keep] takes them from one thread and has that execute
// the program again, with the same process ID: what the kernel then gives root is what the bounding set still has
// (capabilities(7), "Transformation of capabilities during execve()"), to all threads and all children.
package privilege

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Keep leaves this process, which runs as root, and all its children the given capabilities (CAP_* of linux/capability.h) and no others. It must
// be called first of all in main, for it starts the program from its beginning; it returns when there is nothing to take.
func Keep(capabilities ...uintptr) error {
	keep := map[uintptr]bool{}
	for _, c := range capabilities {
		keep[c] = true
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dropped := false
	for c := uintptr(0); ; c++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err != nil {
			break // the kernel knows no more
		}
		if has == 0 || keep[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
		dropped = true
	}
	if !dropped {
		return nil
	}
	// Inheritable ones would come back past the bounding set, and ambient ones with them.
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read the capabilities: %w", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("drop inheritable capabilities: %w", err)
	}
	self, err := os.Executable() // by its path, so that it keeps its name
	if err != nil {
		return fmt.Errorf("start again with fewer capabilities: %w", err)
	}
	return fmt.Errorf("start again with fewer capabilities: %w", unix.Exec(self, os.Args, os.Environ()))
}
