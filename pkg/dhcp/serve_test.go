// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

// TestNewServersFails: a server that can't be made is one error that names it.
func TestNewServersFails(t *testing.T) {
	n := newNetwork(t)
	sockets := n.open(t)
	v4, v6, ra := testConfig4(), testConfig6(), testConfigRA()
	bad4, bad6, badRA := v4, v6, ra
	bad4.MTU, bad6.ServerMAC, badRA.MTU = 1, nil, 1000

	for _, test := range []struct {
		sockets Sockets
		v4      *Config4
		v6      *Config6
		ra      *ConfigRA
		want    string
	}{
		{sockets, nil, nil, nil, "nothing to serve"},
		{Sockets{}, &v4, nil, nil, "configuring DHCPv4: no socket"},
		{Sockets{V4: sockets.V4}, &v4, &v6, nil, "configuring DHCPv6: no socket"},
		{Sockets{V4: sockets.V4, V6: sockets.V6}, &v4, &v6, &ra, "configuring router advertisements: no socket"},
		{sockets, &bad4, &v6, &ra, "configuring DHCPv4: mtu 1"},
		{sockets, &v4, &bad6, &ra, "configuring DHCPv6: server MAC"},
		{sockets, &v4, &v6, &badRA, "configuring router advertisements: mtu 1000"},
	} {
		if _, err := NewServers(test.sockets, test.v4, test.v6, test.ra, testLog(t)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
}

// TestSocketFails: when one server can't go on, all end with its error.
func TestSocketFails(t *testing.T) {
	n := newNetwork(t)
	sockets := n.open(t)
	v4, v6, ra := testConfig4(), testConfig6(), testConfigRA()
	servers, err := NewServers(sockets, &v4, &v6, &ra, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	sockets.V6.Close()
	err = servers.Serve(context.Background())
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "serving DHCPv6") {
		t.Errorf("error %v, want that DHCPv6's socket is closed", err)
	}
}
