// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/pkg/dhcp"
)

// hostResolvers are where this host's name servers stand. Behind systemd-resolved the first names only the
// host's own loopback; the second one has the servers that it asks.
var hostResolvers = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// ofProcess is the path of a process's network namespace.
var ofProcess = regexp.MustCompile(`^(/proc/[0-9]+)/ns/net$`)

// PodResolver finds name servers and search domains for a guest in the network namespace at path: those of the
// process whose namespace it is, or, as ip-netns(8) does, of the namespace's name; else the host's.
func PodResolver(netns string) (servers []netip.Addr, search []string) {
	files := hostResolvers
	netns = filepath.Clean(netns)
	if name, named := strings.CutPrefix(netns, "/run/netns/"); named {
		files = append([]string{filepath.Join("/etc/netns", name, "resolv.conf")}, files...)
	}
	if process := ofProcess.FindStringSubmatch(netns); process != nil {
		files = append([]string{filepath.Join(process[1], "root", "etc/resolv.conf")}, files...)
	}
	servers, search = resolver(files...)
	if len(servers) == 0 {
		servers = []netip.Addr{dhcp.FallbackDNS}
	}
	return servers, search
}

// open opens a regular file. One below the root of a process is that process's to make: a link in it leads to no
// file outside, and no pipe holds us up.
func open(path string) (*os.File, error) {
	root, name := "/", path
	if process, below, found := strings.Cut(path, "/root/"); found {
		root, name = process+"/root", below
	}
	dir, err := os.OpenFile(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.EINVAL}
	}
	return file, nil
}

// resolver reads the first file with a name server that a guest can reach; the search domains come from the
// first file that exists.
func resolver(files ...string) (servers []netip.Addr, search []string) {
	for _, path := range files {
		file, err := open(path)
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
