// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"os"
	"strconv"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"
)

// netnsCookie returns the SO_NETNS_COOKIE of the calling thread's namespace: never reused, unlike its inode.
func netnsCookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("opening a socket: %w", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0, fmt.Errorf("reading the network namespace's cookie (Linux 5.14 or newer has it): %w: %w", ErrUnsupported, err)
	}
	return cookie, nil
}

// inNetNS runs f in the namespace at path, with its cookie. The caller's own namespace is refused: there the programs
// would take over the machine's traffic.
func inNetNS(path string, f func(cookie uint64) error) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w to enter network namespaces and load BPF programs: run it with sudo", ErrNotRoot)
	}
	own, err := netnsCookie()
	if err != nil {
		return err
	}
	netns, err := ns.GetNS(path)
	if err != nil {
		return fmt.Errorf("opening the network namespace %s: %w", path, err)
	}
	defer netns.Close()
	entered := false
	err = netns.Do(func(ns.NetNS) error {
		entered = true
		cookie, err := netnsCookie()
		if err != nil {
			return err
		}
		if cookie == own {
			return fmt.Errorf("%w: %s is this process's own network namespace, not a pod's", ErrInvalid, path)
		}
		return f(cookie)
	})
	if err != nil && !entered {
		return fmt.Errorf("%w: %s is no network namespace: %w", ErrInvalid, path, err)
	}
	return err
}

// inPod runs f in the NIC's namespace. The path that it was attached by may be one of a process that has ended since, as tapir-agent's
// are: then it leads nowhere, or to another namespace, and this one is looked for where namespaces usually are held.
func (n *NIC) inPod(f func() error) error {
	cookie := cookieOf(n.key)
	arrived := false
	enter := func(path string) error {
		return inNetNS(path, func(now uint64) error {
			if strconv.FormatUint(now, 16) != cookie {
				return fmt.Errorf("%s is another namespace by now", path)
			}
			arrived = true
			return f()
		})
	}
	err := enter(n.record.Config.NetNS)
	if err == nil || arrived {
		return err
	}
	found, err2 := findNetNS(cookie)
	if err2 == nil && found == "" {
		err2 = fmt.Errorf("%w; and no name or process that is seen here leads to it", err)
	}
	if err2 != nil {
		return fmt.Errorf("finding the pod's network namespace: %w", err2)
	}
	return enter(found)
}
