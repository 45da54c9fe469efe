// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/containernetworking/plugins/pkg/ns"

	"github.com/tapir-vm/tapir/bench/lab"
)

// The kernel's connection tracking has one limit for all namespaces, which only the host's may set.
const (
	hostNamespace  = "/proc/1/ns/net"
	conntrackLimit = "/proc/sys/net/netfilter/nf_conntrack_max"
)

var conntrackLock sync.Mutex

// holdConnections makes the kernel's connection tracking hold so many connections until the network is closed.
func holdConnections(network *lab.Network, connections int) error {
	if connections == 0 {
		return nil
	}
	conntrackLock.Lock()
	defer conntrackLock.Unlock()
	was, err := raiseConntrack(connections)
	if err != nil {
		return fmt.Errorf("making room for %d tracked connections (needs the host's network namespace): %w", connections, err)
	}
	if was >= connections {
		return nil
	}
	network.OnClose(func() error { return onHost(func() error { return setConntrack(was) }) })
	return nil
}

func raiseConntrack(to int) (was int, err error) {
	err = onHost(func() error {
		text, err := os.ReadFile(conntrackLimit)
		if err != nil {
			return err
		}
		if was, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || was >= to {
			return err
		}
		return setConntrack(to)
	})
	return was, err
}

func setConntrack(limit int) error {
	return os.WriteFile(conntrackLimit, []byte(strconv.Itoa(limit)), 0)
}

func onHost(f func() error) error {
	return ns.WithNetNSPath(hostNamespace, func(ns.NetNS) error { return f() })
}
