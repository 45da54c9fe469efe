// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// sysctl is a setting below /proc/sys/net, of the network namespace of the thread that reads or writes it.
type sysctl struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// podSysctls let the answers come in on lo that come from 127.0.0.1 but have no route attached.
func podSysctls() []sysctl {
	return []sysctl{
		{"ipv4/conf/lo/route_localnet", "1"},
		{"ipv4/conf/lo/accept_local", "1"},
	}
}

// tapSysctls keep the kernel from announcing or configuring anything on a tap that shows it to the guest as a gateway.
// IPv6 comes last: what it brings about when it is switched on depends on the others.
func tapSysctls(tap string) []sysctl {
	dir := "ipv6/conf/" + tap
	return []sysctl{
		{"ipv4/conf/" + tap + "/forwarding", "1"}, // bpf_fib_lookup asks for it; what the guest sends never gets to be forwarded
		{dir + "/accept_ra", "0"},
		{dir + "/accept_dad", "0"},
		{dir + "/addr_gen_mode", "1"},
		{dir + "/forwarding", "1"}, // its advertisements say router: else guests drop their default route (RFC 4861, 7.2.5)
		{dir + "/disable_ipv6", "0"},
	}
}

// readSysctls returns what the same keys hold now. A key that the kernel doesn't have is left out.
func readSysctls(keys []sysctl) ([]sysctl, error) {
	var now []sysctl
	for _, s := range keys {
		value, err := os.ReadFile("/proc/sys/net/" + s.Key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading sysctl %s: %w", s.Key, err)
		}
		now = append(now, sysctl{s.Key, strings.TrimSpace(string(value))})
	}
	return now, nil
}

// setSysctls writes those that differ. IPv6 keys are left out where the kernel has no IPv6.
func setSysctls(values []sysctl) error {
	for _, s := range values {
		path := "/proc/sys/net/" + s.Key
		old, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.Key, "ipv6/") {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading sysctl %s: %w", s.Key, err)
		}
		if strings.TrimSpace(string(old)) == s.Value {
			continue
		}
		if err := os.WriteFile(path, []byte(s.Value), 0); err != nil {
			return fmt.Errorf("setting sysctl %s to %s: %w", s.Key, s.Value, err)
		}
	}
	return nil
}

// restoreSysctls writes back what readSysctls found, last things first, and goes on after an error.
func restoreSysctls(before []sysctl) error {
	var errs []error
	for _, s := range slices.Backward(before) {
		errs = append(errs, setSysctls([]sysctl{s}))
	}
	return errors.Join(errs...)
}
