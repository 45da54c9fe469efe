// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A lease is the environment that a DHCP client gave to its script.
type lease map[string]string

// check compares the named variables.
func (l lease) check(t *testing.T, want lease) {
	t.Helper()
	got := lease{}
	for name := range want {
		got[name] = l[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lease differs (-want +got):\n%s", diff)
	}
}

// udhcpc is busybox's client, which reads raw frames.
func udhcpc(t *testing.T, guest *nstest.Namespace) lease {
	t.Helper()
	return client(t, guest, `[ "$1" = bound ]`, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-s", "SCRIPT")
}

// dhclient is ISC's client, the strictest about checksums. It starts with the leases that it is given.
func dhclient(t *testing.T, guest *nstest.Namespace, family, bound, leases string) lease {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "leases")
	if err := os.WriteFile(file, []byte(leases), 0o600); err != nil {
		t.Fatal(err)
	}
	return client(t, guest, `[ "$reason" = `+bound+` ]`,
		"dhclient", family, "-d", "-1", "-sf", "SCRIPT", "-lf", file, "-pf", filepath.Join(dir, "pid"), "eth0")
}

// client runs a DHCP client in the guest until it has a lease. The client's script, SCRIPT among its
// arguments, configures nothing: it only prints the environment with which bound holds.
func client(t *testing.T, guest *nstest.Namespace, bound, name string, arguments ...string) lease {
	t.Helper()
	const end = "end of lease"
	script := filepath.Join(t.TempDir(), "script")
	text := "#!/bin/sh\nif " + bound + "; then env; echo " + end + "; fi\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	arguments[slices.Index(arguments, "SCRIPT")] = script

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var log bytes.Buffer
	command := exec.CommandContext(ctx, name, arguments...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	command.Stderr = &log
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	guest.Must(t, command.Start)
	defer func() {
		cancel()
		command.Wait()
	}()

	l := lease{}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if lines.Text() == end {
			return l
		}
		key, value, _ := strings.Cut(lines.Text(), "=")
		l[key] = value
	}
	cancel()
	command.Wait()
	t.Fatalf("%s got no lease:\n%s", name, log.String())
	return nil
}

func TestUdhcpc(t *testing.T) {
	n := newNetwork(t)
	servers := n.serve(t)
	udhcpc(t, n.guest).check(t, lease{
		"ip": "10.0.2.2", "mask": "24", "router": "10.0.2.1", "serverid": "10.0.2.1", "lease": "86313600", "mtu": "1450",
		"dns": "10.96.0.10", "ntpsrv": "192.0.2.123", "hostname": "vm1", "domain": "default.svc.cluster.local",
		"search": "default.svc.cluster.local svc.cluster.local cluster.local",
	})
	servers.check(t, "v4", Stats{"discover": 1, "offer": 1, "request": 1, "ack": 1})
}

func TestDhclient4(t *testing.T) {
	n := newNetwork(t)
	servers := n.serve(t)
	dhclient(t, n.guest, "-4", "BOUND", "").check(t, lease{
		"new_ip_address": "10.0.2.2", "new_subnet_mask": "255.255.255.0", "new_routers": "10.0.2.1",
		"new_dhcp_server_identifier": "10.0.2.1", "new_dhcp_lease_time": "86313600", "new_interface_mtu": "1450",
		"new_domain_name_servers": "10.96.0.10", "new_ntp_servers": "192.0.2.123", "new_host_name": "vm1",
		"new_domain_name":   "default.svc.cluster.local",
		"new_domain_search": "default.svc.cluster.local. svc.cluster.local. cluster.local.",
	})
	servers.check(t, "v4", Stats{"discover": 1, "offer": 1, "request": 1, "ack": 1})
}

// TestDhclientMoved4: a guest that comes with another network's lease gets this one's without a wait.
func TestDhclientMoved4(t *testing.T) {
	n := newNetwork(t)
	servers := n.serve(t)
	dhclient(t, n.guest, "-4", "BOUND", `lease {
		interface "eth0";
		fixed-address 10.244.1.9;
		option subnet-mask 255.255.255.0;
		option dhcp-server-identifier 169.254.75.10;
		renew never; rebind never; expire never;
	}`).check(t, lease{"new_ip_address": "10.0.2.2"})
	servers.check(t, "v4", Stats{"nak": 1, "discover": 1, "offer": 1, "request": 2, "ack": 1})
}

func TestDhclient6(t *testing.T) {
	n := newNetwork(t)
	servers := n.serve(t)
	dhclient(t, n.guest, "-6", "BOUND6", "").check(t, lease{
		"new_ip6_address": "fd10:0:2::2", "new_preferred_life": "86313600", "new_max_life": "86313600",
		"new_renew": "43156800", "new_rebind": "69050880", "new_dhcp6_server_id": "0:3:0:1:2:0:0:0:0:0",
		"new_dhcp6_name_servers":  "fd00:96::a",
		"new_dhcp6_domain_search": "default.svc.cluster.local. svc.cluster.local. cluster.local.",
	})
	servers.check(t, "v6", Stats{"solicit": 1, "advertise": 1, "request": 1, "reply": 1})
}
