// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Counter reads a counter of the namespace's IP stack by nstat's name for it: IcmpInEchos,
// Icmp6InEchos, UdpNoPorts, Udp6NoPorts, …
func (n *Namespace) Counter(t testing.TB, name string) uint64 {
	t.Helper()
	value, found := n.counters(t)[name]
	if !found {
		t.Fatalf("the kernel has no counter %s", name)
	}
	return value
}

// counters reads /proc/net/snmp (a line of names, then one of values, for each protocol) and
// /proc/net/snmp6 (a name and a value on each line).
func (n *Namespace) counters(t testing.TB) map[string]uint64 {
	t.Helper()
	var snmp, snmp6 []byte
	n.Must(t, func() (err error) {
		if snmp, err = os.ReadFile("/proc/thread-self/net/snmp"); err != nil {
			return err
		}
		snmp6, err = os.ReadFile("/proc/thread-self/net/snmp6")
		return err
	})

	counters := map[string]uint64{}
	add := func(name, value string) {
		// Some settings among the counters are negative: they aren't counters.
		if v, err := strconv.ParseUint(value, 10, 64); err == nil {
			counters[name] = v
		}
	}
	for lines := bufio.NewScanner(bytes.NewReader(snmp)); lines.Scan(); {
		names := strings.Fields(lines.Text())
		lines.Scan()
		values := strings.Fields(lines.Text())
		protocol := strings.TrimSuffix(names[0], ":")
		for i := 1; i < len(names) && i < len(values); i++ {
			add(protocol+names[i], values[i])
		}
	}
	for lines := bufio.NewScanner(bytes.NewReader(snmp6)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 2 {
			add(fields[0], fields[1])
		}
	}
	return counters
}
