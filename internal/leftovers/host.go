// SPDX-License-Identifier: Apache-2.0

package leftovers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// addFiles describes what is below a directory, other directories aside.
func (s Snapshot) addFiles(kind, root string) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !entry.IsDir() {
			s.add("%s %s", kind, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", root, err)
	}
	return nil
}

// addSettings describes what makes a router of a host.
func (s Snapshot) addSettings() error {
	for _, pattern := range []string{
		"ipv4/ip_forward", "ipv4/conf/all/accept_redirects", "ipv4/conf/*/forwarding",
		"ipv6/conf/*/forwarding", "ipv6/conf/*/accept_ra",
	} {
		paths, err := filepath.Glob(filepath.Join("/proc/sys/net", pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			value, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // of a link that has gone
			}
			if err != nil {
				return fmt.Errorf("read a setting: %w", err)
			}
			s.add("setting %s = %s", path, strings.TrimSpace(string(value)))
		}
	}
	return nil
}

// addProcesses describes QEMU and Tapir where they run in this process's own network namespace; other
// tests may run theirs on the same machine.
func (s Snapshot) addProcesses() error {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return fmt.Errorf("find out the network namespace: %w", err)
	}
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return err
	}
	for _, path := range names {
		comm, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		process := filepath.Dir(path)
		name := strings.TrimSpace(string(comm))
		if !strings.HasPrefix(name, "qemu-") && name != "tapir" {
			continue
		}
		if namespace, err := os.Readlink(filepath.Join(process, "ns/net")); err == nil && namespace == here {
			s.add("process %s %s", filepath.Base(process), name)
		}
	}
	return nil
}
