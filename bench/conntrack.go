// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/tapir-vm/tapir/bench/lab"
)

// conntrackSizes are those of all namespaces, the hash table's and the most connections in it; only a process in the
// host's may set them. The kernel makes them equal, so both are raised: with long chains nobody would measure the rules.
var conntrackSizes = []string{
	"/proc/sys/net/netfilter/nf_conntrack_buckets",
	"/proc/sys/net/netfilter/nf_conntrack_max",
}

var conntrackLock sync.Mutex

// holdConnections makes the kernel's connection tracking hold so many connections until the network is closed.
func holdConnections(network *lab.Network, connections int) error {
	if connections == 0 {
		return nil
	}
	conntrackLock.Lock()
	defer conntrackLock.Unlock()
	for _, path := range conntrackSizes {
		was, err := raise(path, connections)
		if err != nil {
			return fmt.Errorf("making room for %d tracked connections (needs the host's network namespace): %w", connections, err)
		}
		if was < connections {
			network.OnClose(func() error { return set(path, was) })
		}
	}
	return nil
}

func raise(path string, to int) (was int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	if was, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || was >= to {
		return was, err
	}
	return was, set(path, to)
}

func set(path string, size int) error {
	return os.WriteFile(path, []byte(strconv.Itoa(size)), 0)
}
