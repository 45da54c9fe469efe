// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bufio"
	"io"
	"net/netip"
	"strings"
)

// maxResolvConf is how much of a resolv.conf is read, in bytes.
const maxResolvConf = 64 << 10

// ParseResolvConf reads a resolver configuration (resolv.conf(5)): the name servers of both families in their
// order, and the search domains of the last search or domain line. What it can't use is left out: addresses
// with a zone, which mean nothing on the guest's link, and names that are none, such as the root's ".". An
// unreadable rest counts as missing; defaults, and what to do about a resolver on a loopback address, are the
// caller's.
func ParseResolvConf(r io.Reader) (servers []netip.Addr, search []string) {
	lines := bufio.NewScanner(io.LimitReader(r, maxResolvConf))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			address, err := netip.ParseAddr(fields[1])
			if err == nil && address.Zone() == "" && !address.IsUnspecified() {
				servers = append(servers, address.Unmap())
			}
		case "search", "domain":
			search = nil
			for _, name := range fields[1:] {
				if checkName(name) == nil {
					search = append(search, plainName(name))
				}
			}
		}
	}
	return servers, search
}
