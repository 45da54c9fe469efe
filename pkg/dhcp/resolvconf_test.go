// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseResolvConf(t *testing.T) {
	for _, test := range []struct {
		name, file string
		servers    []netip.Addr
		search     []string
	}{
		{"a pod's", "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
			[]netip.Addr{address("10.96.0.10")}, []string{"default.svc.cluster.local", "svc.cluster.local", "cluster.local"}},
		{"both families in order", "nameserver fd00:96::a\nnameserver\t10.96.0.10   \n",
			[]netip.Addr{address("fd00:96::a"), address("10.96.0.10")}, nil},
		{"the last search line counts", "search a.example\nsearch b.example. c.example\n", nil, []string{"b.example", "c.example"}},
		{"as does domain", "search a.example\ndomain b.example\n", nil, []string{"b.example"}},
		{"the root is no search domain", "search .\n", nil, nil},
		{"a node-local cache stays", "nameserver 169.254.20.10\n", []netip.Addr{address("169.254.20.10")}, nil},
		{"so does a loopback", "nameserver 127.0.0.53\n", []netip.Addr{address("127.0.0.53")}, nil},
		{"IPv4 in IPv6", "nameserver ::ffff:10.0.0.1\n", []netip.Addr{address("10.0.0.1")}, nil},
		{"what a guest can't use", "nameserver fe80::1%eth0\nnameserver 0.0.0.0\nnameserver ::\nnameserver 10.0.0\nnameserver\nsearch a..b é ok.example\n",
			nil, []string{"ok.example"}},
		{"comments and case", "# nameserver 10.0.0.1\n;nameserver 10.0.0.2\nNameserver 10.0.0.3\n", nil, nil},
		{"without a final newline", "nameserver 10.0.0.1", []netip.Addr{address("10.0.0.1")}, nil},
		{"nothing", "", nil, nil},
		{"a line without end", "nameserver 10.0.0.1\n" + strings.Repeat("x", 1<<20) + "\nnameserver 10.0.0.2\n", []netip.Addr{address("10.0.0.1")}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers, search := ParseResolvConf(strings.NewReader(test.file))
			if diff := cmp.Diff(test.servers, servers, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("servers differ (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.search, search); diff != "" {
				t.Errorf("search domains differ (-want +got):\n%s", diff)
			}
		})
	}
}
