// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// maxServers is what the C library takes from resolv.conf(5).
const maxServers = 3

// servers reads the host's name servers, with the zones of link-local ones. Like the C library, it takes a
// local one where none is named.
func servers() ([]netip.AddrPort, error) {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the host's name servers: %w", err)
	}
	var found []netip.AddrPort
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" || len(found) == maxServers {
			continue
		}
		if address, err := netip.ParseAddr(fields[1]); err == nil {
			found = append(found, netip.AddrPortFrom(address, port))
		}
	}
	if len(found) == 0 {
		found = append(found, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	}
	return found, nil
}
