// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// setSysctls writes values below /proc/sys/net of the calling thread's namespace, and adds to before what stood there.
// IPv6 keys are left out where the kernel or the pod has no IPv6.
func setSysctls(values, before map[string]string) error {
	for key, value := range values {
		path := "/proc/sys/net/" + key
		old, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(key, "ipv6/") {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading sysctl %s: %w", key, err)
		}
		was := strings.TrimSpace(string(old))
		if was == value {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("setting sysctl %s to %s: %w", key, value, err)
		}
		if _, kept := before[key]; !kept {
			before[key] = was
		}
	}
	return nil
}

// loopbackSysctls let the answers come in on lo that come from 127.0.0.1 but have no route attached.
var loopbackSysctls = map[string]string{
	"ipv4/conf/lo/route_localnet": "1",
	"ipv4/conf/lo/accept_local":   "1",
}

// tapSysctls keep the kernel from announcing or configuring anything on a tap that shows it to the guest as a gateway.
func tapSysctls(tap string) map[string]string {
	return map[string]string{
		"ipv6/conf/" + tap + "/accept_ra":     "0",
		"ipv6/conf/" + tap + "/accept_dad":    "0",
		"ipv6/conf/" + tap + "/addr_gen_mode": "1",
	}
}

// restoreSysctls writes back what setSysctls found. Those of a device that is gone went with it.
func restoreSysctls(before map[string]string) error {
	var errs []error
	for key, value := range before {
		err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("restoring sysctl %s to %s: %w", key, value, err))
		}
	}
	return errors.Join(errs...)
}
