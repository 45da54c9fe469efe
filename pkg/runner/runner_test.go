// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tapir-vm/tapir/internal/sandbox"
	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/spec"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func TestHomeHasOneOwner(t *testing.T) {
	first, err := makeHome("demo")
	if err != nil {
		t.Fatal(err)
	}
	for name, take := range map[string]func(string) (*home, error){"make": makeHome, "take": takeHome} {
		if _, err := take("demo"); !errors.Is(err, ErrRunning) {
			t.Errorf("%s a home that has an owner: %v, want %v", name, err, ErrRunning)
		}
	}
	if alive, err := owned(first.path); !alive || err != nil {
		t.Errorf("owned: %v, %v", alive, err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	if alive, err := owned(first.path); alive || err != nil {
		t.Errorf("owned after release: %v, %v", alive, err)
	}
	second, err := takeHome("demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := second.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := takeHome("demo"); !errors.Is(err, ErrNotFound) {
		t.Errorf("take a home that was removed: %v, want %v", err, ErrNotFound)
	}
}

// Who waits for a lock on a directory must not take the one that was removed meanwhile.
func TestHomeRemovedWhileLocked(t *testing.T) {
	h, err := makeHome("demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(h.path); err != nil {
		t.Fatal(err)
	}
	fresh, err := makeHome("demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.release(); err != nil {
		t.Fatal(err)
	}
	if alive, err := owned(fresh.path); !alive || err != nil {
		t.Errorf("the new directory is owned: %v, %v", alive, err)
	}
	if err := fresh.remove(); err != nil {
		t.Fatal(err)
	}
}

func TestNames(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "a/b", "../vms", "-a", "a-", "A", "a b", string(make([]byte, 64))} {
		if _, err := makeHome(bad); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v, want %v", bad, err, ErrNotFound)
		}
	}
	for _, good := range []string{"b", "a-1.x"} {
		h, err := makeHome(good)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.remove() })
	}
	stray := filepath.Join(Dir, "a file")
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(stray) })
	if got, err := names(); !slices.Equal(got, []string{"a-1.x", "b"}) || err != nil {
		t.Errorf("names: %v, %v", got, err)
	}
}

// A machine is meant by its name, with its namespace or without; another of that name is refused by both.
func TestNamespaces(t *testing.T) {
	h, err := makeHome("demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.remove() })
	if err := h.save(State{Namespace: "default", Name: "demo"}); err != nil {
		t.Fatal(err)
	}
	for given, refused := range map[string]string{
		"demo":              "",
		"default/demo":      "",
		"shop/demo":         "the one of that name here is default/demo",
		"/demo":             "default/demo",
		"default/other":     "default/other",
		"default/demo/eth0": "demo/eth0",
		"default/":          "a name has",
		"default/../demo":   "../demo",
	} {
		name, err := find(given)
		switch {
		case refused == "" && (name != "demo" || err != nil):
			t.Errorf("%s: %q, %v", given, name, err)
		case refused != "" && (!errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), refused)):
			t.Errorf("%s: %q, %v, want %q", given, name, err, refused)
		}
	}
	o := Options{Log: slog.New(slog.DiscardHandler)}
	for namespace, want := range map[string]string{
		"default": "run VM default/demo: default/demo runs already; tapir stop demo ends it",
		"shop":    "run VM shop/demo: default/demo runs already: names are unique on a host; tapir stop demo ends it",
	} {
		if _, err := Start(t.Context(), &spec.VM{Namespace: namespace, Name: "demo"}, o); !errors.Is(err, ErrRunning) || err.Error() != want {
			t.Errorf("run %s/demo: %v, want %s", namespace, err, want)
		}
	}
}

func TestState(t *testing.T) {
	h, err := makeHome("demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.remove() })
	want := State{
		Namespace: "default", Name: "demo", Started: time.Unix(1, 0).UTC(), Grace: time.Minute, NetNS: "/run/netns/x",
		PodIPs: []netip.Addr{netip.MustParseAddr("10.201.0.2")}, Taps: []string{"tap0"},
	}
	if err := h.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := load(h.path)
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("read back (-want +got), %v:\n%s", err, diff)
	}
	if err := os.WriteFile(filepath.Join(h.path, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(h.path); err == nil {
		t.Error("half a record was taken for a whole one")
	}
}

func TestUndo(t *testing.T) {
	var done []int
	failed := errors.New("it is stuck")
	var u undo
	for i := range 3 {
		u.add(func() error {
			done = append(done, i)
			if i == 1 {
				return failed
			}
			return nil
		})
	}
	if err := u.run(); !errors.Is(err, failed) {
		t.Errorf("error %v, want %v", err, failed)
	}
	if !slices.Equal(done, []int{2, 1, 0}) {
		t.Errorf("undone in the order %v", done)
	}
	if err := u.run(); err != nil || len(done) != 3 {
		t.Errorf("undone twice: %v, %v", done, err)
	}
}

func TestLeases(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	dual := datapath.Addresses{
		Pod4: addr("10.9.0.2"), Guest4: addr("10.0.2.2"), Gateway4: addr("10.0.2.1"), Prefix4: prefix("10.0.2.0/24"),
		Pod6: addr("fd00::2"), Guest6: addr("fd10:0:2::2"), Gateway6: addr("fd10:0:2::1"), Prefix6: prefix("fd10:0:2::/120"),
		MTU: 1400,
	}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	given := dhcp.Config4{Common: dhcp.Common{ClientMAC: mac, Hostname: "web", DNS: []netip.Addr{addr("10.201.0.1")}}, BootFileName: "pxe"}
	told := given.Common
	told.ServerMAC, told.MTU = datapath.GatewayMAC, 1400
	want4 := &dhcp.Config4{Common: told, BootFileName: "pxe", Address: prefix("10.0.2.2/24"), Server: addr("10.0.2.1"), Router: addr("10.0.2.1")}
	want6 := &dhcp.Config6{Common: told, Address: addr("fd10:0:2::2")}
	wantRA := &dhcp.ConfigRA{Common: told, Prefix: prefix("fd10:0:2::/120")}

	only4, only6 := dual, dual
	only4.Guest6, only6.Guest4 = netip.Addr{}, netip.Addr{}
	tests := map[string]struct {
		addresses datapath.Addresses
		v4        *dhcp.Config4
		v6        *dhcp.Config6
		ra        *dhcp.ConfigRA
	}{
		"both": {dual, want4, want6, wantRA},
		"IPv4": {only4, want4, nil, nil},
		"IPv6": {only6, nil, want6, wantRA},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v4, v6, ra := network(tt.addresses).Leases(given)
			opt := cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})
			if diff := cmp.Diff([]any{tt.v4, tt.v6, tt.ra}, []any{v4, v6, ra}, opt); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestResolver(t *testing.T) {
	sandbox.File(t, "/etc/resolv.conf", "nameserver 127.0.0.53\nsearch corp.example\n")
	if servers, search := PodResolver("/proc/1/ns/net"); !slices.Equal(servers, []netip.Addr{dhcp.FallbackDNS}) || !slices.Equal(search, []string{"corp.example"}) {
		t.Errorf("a stub resolver only: %v %v", servers, search)
	}
	upstream := "/run/systemd/resolve/resolv.conf"
	if err := errors.Join(os.MkdirAll(filepath.Dir(upstream), 0o755), os.WriteFile(upstream, []byte("nameserver 192.0.2.1\nnameserver ::1\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(upstream)) })
	want := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	if servers, search := PodResolver("/run/netns/x"); !slices.Equal(servers, want) || !slices.Equal(search, []string{"corp.example"}) {
		t.Errorf("behind systemd-resolved: %v %v", servers, search)
	}
}

// Each pod address has a user of its own, in the range that nobody gives out.
func TestUser(t *testing.T) {
	if a, b := user(netip.MustParseAddr("10.201.0.2")), user(netip.MustParseAddr("10.201.1.2")); a == b || a < firstUser || b > 2147483647 {
		t.Errorf("users %d and %d", a, b)
	}
}
