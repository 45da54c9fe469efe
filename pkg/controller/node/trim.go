// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// trim gives back what starting and attaching have left behind: garbage, which an idle agent would keep, and the pages of this
// program's file, most of which aren't needed again. Those that are come back from the page cache.
func trim() error {
	debug.FreeOSMemory()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the program's file: %w", err)
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("list the program's memory: %w", err)
	}
	defer maps.Close()
	var begin, end uintptr // of the file's mapping that is described
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case !strings.HasSuffix(fields[0], ":"):
			begin, end = 0, 0
			if len(fields) == 6 && fields[5] == self && fields[1][1] == '-' {
				fmt.Sscanf(fields[0], "%x-%x", &begin, &end)
			}
		case fields[0] == "Anonymous:" && fields[1] == "0" && end > begin: // nothing in it differs from the file
			if _, _, errno := unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED); errno != 0 {
				return fmt.Errorf("let go of the program's file: %w", errno)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("list the program's memory: %w", err)
	}
	return nil
}
