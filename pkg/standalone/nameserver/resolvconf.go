// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// maxServers is what the C library takes from resolv.conf(5).
const maxServers = 3

// servers reads the host's name servers. Like the C library, it takes a local one where none is named.
func servers() ([]netip.AddrPort, error) {
	var found []netip.AddrPort
	err := resolvConf(func(key string, values []string) {
		if key != "nameserver" || len(found) == maxServers {
			return
		}
		if address, err := netip.ParseAddr(values[0]); err == nil {
			found = append(found, netip.AddrPortFrom(address, port))
		}
	})
	if len(found) == 0 {
		found = append(found, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	}
	return found, err
}

// SearchDomains reads the host's search domains, for guests to be told.
func SearchDomains() ([]string, error) {
	var found []string
	err := resolvConf(func(key string, values []string) {
		if key == "search" || key == "domain" {
			found = nil // the last line counts
			for _, domain := range values {
				if domain = strings.Trim(domain, "."); domain != "" {
					found = append(found, domain)
				}
			}
		}
	})
	return found, err
}

// resolvConf calls f with each line's keyword and its values, at least one. A host without the file has nothing to say.
func resolvConf(f func(key string, values []string)) error {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read the host's name servers: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		if fields := strings.Fields(line); len(fields) > 1 {
			f(fields[0], fields[1:])
		}
	}
	return nil
}
