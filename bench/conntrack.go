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

// conntrackLimit is one for all namespaces; only a process in the host's may set it.
const conntrackLimit = "/proc/sys/net/netfilter/nf_conntrack_max"

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
	network.OnClose(func() error { return setConntrack(was) })
	return nil
}

func raiseConntrack(to int) (was int, err error) {
	text, err := os.ReadFile(conntrackLimit)
	if err != nil {
		return 0, err
	}
	if was, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || was >= to {
		return was, err
	}
	return was, setConntrack(to)
}

func setConntrack(limit int) error {
	return os.WriteFile(conntrackLimit, []byte(strconv.Itoa(limit)), 0)
}
