// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sysctl reads a kernel setting of the calling thread's network namespace by its path under /proc/sys.
func sysctl(key string) (string, error) {
	value, err := os.ReadFile(filepath.Join("/proc/sys", key))
	return strings.TrimSpace(string(value)), err
}

func setSysctl(key, value string) error {
	if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0); err != nil {
		return fmt.Errorf("set %s to %s: %w", key, value, err)
	}
	return nil
}

// hostHasIPv6 says whether new devices of the host get IPv6. An operator who switched it off for all of them
// doesn't want it in pods either.
func hostHasIPv6() bool {
	for _, scope := range []string{"all", "default"} {
		if off, err := sysctl("net/ipv6/conf/" + scope + "/disable_ipv6"); err != nil || off != "0" {
			return false
		}
	}
	return true
}
