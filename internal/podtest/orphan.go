// SPDX-License-Identifier: Apache-2.0

package podtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// killOrphans ends QEMUs of the pod that nobody has a record of: a launcher that is killed between starting one and writing that down
// leaves it. In a cluster it would go with the pod's process namespace; here its network namespace tells whose it is.
func (p *Pod) killOrphans() error {
	var own unix.Stat_t
	if err := unix.Fstat(int(p.NetNS.Fd()), &own); err != nil {
		return fmt.Errorf("look for the pod's QEMU: %w", err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, dir := range processes {
		var netns unix.Stat_t
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || !strings.HasPrefix(string(name), "qemu-system") ||
			unix.Stat(filepath.Join(dir, "ns/net"), &netns) != nil || netns.Ino != own.Ino {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(filepath.Base(dir), &pid); err != nil {
			return err
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return fmt.Errorf("end the pod's QEMU: %w", err)
		}
		for unix.Stat(filepath.Join(dir, "ns/net"), &netns) == nil { // a zombie has none
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}
