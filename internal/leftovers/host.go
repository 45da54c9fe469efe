// SPDX-License-Identifier: Apache-2.0

package leftovers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// kvmVerdicts stays as long as the machine runs: package vm asks once what KVM can do there.
const kvmVerdicts = "/run/tapir/kvm"

// addFiles describes what is below a directory, other directories aside.
func (s Snapshot) addFiles(kind, root string) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if path == kvmVerdicts {
			return fs.SkipDir
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

// addProcesses describes the others in this process's mount namespace, whatever their name, parent and network
// namespace: QEMU has its own of each. In a sandbox, all of them come from its tests.
func (s Snapshot) addProcesses() error {
	here, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return fmt.Errorf("find out the mount namespace: %w", err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	self := strconv.Itoa(os.Getpid())
	for _, process := range processes {
		pid := filepath.Base(process)
		if namespace, err := os.Readlink(filepath.Join(process, "ns/mnt")); err != nil || namespace != here || pid == self {
			continue // of one that has ended there is none
		}
		if name, err := os.ReadFile(filepath.Join(process, "comm")); err == nil {
			s.add("process %s %s", pid, strings.TrimSpace(string(name)))
		}
	}
	return nil
}
