// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
)

// sysctls are settings of the whole machine, by the file that holds each. A kubelet sets these at its start.
type sysctls map[string][]byte

func saveSysctls() (sysctls, error) {
	s := sysctls{}
	for _, name := range []string{"kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "vm/panic_on_oom"} {
		path := "/proc/sys/" + name
		value, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("save what a kubelet will change: %w", err)
		}
		s[path] = value
	}
	return s, nil
}

func (s sysctls) restore() error {
	var errs []error
	for path, value := range s {
		if err := os.WriteFile(path, value, 0); err != nil {
			errs = append(errs, fmt.Errorf("put back what a kubelet has changed: %w", err))
		}
	}
	return errors.Join(errs...)
}
