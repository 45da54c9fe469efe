// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tapir-vm/tapir/pkg/dhcp"
)

// hostResolvers are where this host's name servers stand. Behind systemd-resolved the first names only the
// host's own loopback; the second one has the servers that it asks.
var hostResolvers = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// fallbackDNS is what KubeVirt tells a guest when it finds no name server.
var fallbackDNS = netip.MustParseAddr("8.8.8.8")

// PodResolver finds name servers and search domains for a guest in the network namespace at path, as
// ip-netns(8) does: the namespace's own resolv.conf if it has one, else the host's.
func PodResolver(netns string) (servers []netip.Addr, search []string) {
	files := hostResolvers
	if name, named := strings.CutPrefix(filepath.Clean(netns), "/run/netns/"); named {
		files = append([]string{filepath.Join("/etc/netns", name, "resolv.conf")}, files...)
	}
	servers, search = resolver(files...)
	if len(servers) == 0 {
		servers = []netip.Addr{fallbackDNS}
	}
	return servers, search
}

// resolver reads the first file with a name server that a guest can reach; the search domains come from the
// first file that exists.
func resolver(files ...string) (servers []netip.Addr, search []string) {
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		found, domains := dhcp.ParseResolvConf(file)
		file.Close()
		if search == nil {
			search = domains
		}
		servers = slices.DeleteFunc(found, netip.Addr.IsLoopback)
		if len(servers) > 0 {
			break
		}
	}
	return servers, search
}
