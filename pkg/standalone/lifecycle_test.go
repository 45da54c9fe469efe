// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tapir-vm/tapir/internal/leftovers"
)

func names(pods []*Pod) (all []string) {
	for _, p := range pods {
		all = append(all, p.String())
	}
	return all
}

// whole returns the pods that are there with all that they need.
func whole() ([]*Pod, error) {
	pods, err := records()
	return slices.DeleteFunc(pods, func(p *Pod) bool { return !p.alive() }), err
}

func TestNewTwiceAndDeleteTwice(t *testing.T) {
	uplink(t, 1400)
	first, second := makePod(t, "web"), makePod(t, "web")
	if *first != *second {
		t.Errorf("the second time: got %v, want %v", second, first)
	}
	makePod(t, "other")
	if pods, err := whole(); err != nil || !slices.Equal(names(pods), []string{"test/other", "test/web"}) {
		t.Errorf("there are %v, %v", names(pods), err)
	}
	for range 2 {
		deletePod(t, first)
		if pods, err := whole(); err != nil || !slices.Equal(names(pods), []string{"test/other"}) {
			t.Errorf("after deletion: got %v, %v", names(pods), err)
		}
	}
	// It gets its addresses back, although another pod came meanwhile.
	makePod(t, "third")
	if again := makePod(t, "web"); again.Address4 != first.Address4 || again.Address6 != first.Address6 {
		t.Errorf("got %s and %s, had %s and %s", again.Address4, again.Address6, first.Address4, first.Address6)
	}
}

// Pods that start at once get different addresses.
func TestConcurrently(t *testing.T) {
	uplink(t, 1400)
	pools := Config{Pool4: netip.MustParsePrefix("10.99.0.0/28"), Pool6: netip.MustParsePrefix("fd99::/124")}
	log := slog.New(slog.DiscardHandler)
	const count = 13 // as many as the pools have
	var starting sync.WaitGroup
	for i := range count {
		starting.Go(func() {
			cfg := pools
			cfg.Namespace, cfg.Name = "test", fmt.Sprint("vm", i)
			if _, err := New(t.Context(), cfg, log); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	pods, err := whole()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Addr]bool{}
	for _, p := range pods {
		for _, address := range []netip.Addr{p.Address4, p.Address6} {
			if seen[address] {
				t.Errorf("%s was given twice", address)
			}
			seen[address] = true
		}
	}
	if len(pods) != count {
		t.Errorf("got %d pods, want %d", len(pods), count)
	}
	cfg := pools
	cfg.Namespace, cfg.Name = "test", "one-more"
	if _, err := New(t.Context(), cfg, log); err == nil || !strings.Contains(err.Error(), "used up") {
		t.Errorf("one pod more: got %v", err)
	}
	var stopping sync.WaitGroup
	for _, p := range pods {
		stopping.Go(func() { deletePod(t, p) })
	}
	stopping.Wait()
}

// Every way that a process can be interrupted in making a pod is followed by New, by Delete and by Sweep.
func TestCrash(t *testing.T) {
	uplink(t, 1400)
	log := slog.New(slog.DiscardHandler)
	cfg, err := Config{Namespace: "test", Name: "web"}.complete()
	if err != nil {
		t.Fatal(err)
	}
	steps := []func(p *Pod) error{
		func(p *Pod) error { return writeJSON(p.file(), p) },
		func(p *Pod) error { return os.WriteFile(p.NetNS, nil, 0o444) },
		func(p *Pod) error { return errors.Join(os.Remove(p.NetNS), makeNetNS(p.NetNS)) },
		func(p *Pod) error { return prepareHost([]*Pod{p}) },
		func(p *Pod) error { return p.connect() },
	}
	recoveries := map[string]func(*testing.T, *Pod){
		"New": func(t *testing.T, p *Pod) {
			if again := makePod(t, "web"); !again.alive() || again.Address4 != p.Address4 {
				t.Errorf("got %v, want the address of %v", again, p)
			}
		},
		"Delete": func(t *testing.T, p *Pod) { deletePod(t, p) },
		"Sweep": func(t *testing.T, _ *Pod) {
			swept, err := Sweep(t.Context(), func(*Pod) bool { return true }, log)
			if err != nil || !slices.Equal(swept, []string{"test/web"}) {
				t.Errorf("got %q, %v", swept, err)
			}
		},
	}
	if err := os.MkdirAll(podsDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for count := 1; count <= len(steps); count++ {
		for name, recover := range recoveries {
			t.Run(fmt.Sprint(name, " after step ", count), func(t *testing.T) {
				leftovers.Check(t)
				p, err := plan(cfg, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range steps[:count] {
					if err := step(p); err != nil {
						t.Fatal(err)
					}
				}
				if pods, err := whole(); err != nil || len(pods) > 0 {
					t.Errorf("half-made pods count as whole: %v, %v", names(pods), err)
				}
				recover(t, p)
			})
		}
	}
}

func TestSweep(t *testing.T) {
	uplink(t, 1400)
	log := slog.New(slog.DiscardHandler)
	makePod(t, "kept")
	makePod(t, "unneeded")
	// Somebody has deleted parts of these by hand.
	unmounted, unlinked := makePod(t, "unmounted"), makePod(t, "unlinked")
	run(t, "ip", "netns", "delete", id(unmounted.Namespace, unmounted.Name))
	run(t, "ip", "link", "delete", unlinked.HostNIC)
	swept, err := Sweep(t.Context(), func(p *Pod) bool { return p.Name == "kept" }, log)
	if want := []string{"test/unlinked", "test/unmounted", "test/unneeded"}; err != nil || !slices.Equal(swept, want) {
		t.Errorf("got %q, %v, want %q", swept, err, want)
	}
	if pods, err := whole(); err != nil || !slices.Equal(names(pods), []string{"test/kept"}) {
		t.Errorf("left: %q, %v", names(pods), err)
	}
}

// What New can't do, it says in one line, and leaves nothing behind.
func TestNewFails(t *testing.T) {
	uplink(t, 1400)
	taken := hostNIC("test", "taken")
	tests := []struct {
		name string
		cfg  Config
		do   func(t *testing.T)
		want string
	}{
		{"no namespace", Config{Name: "web"}, nil, "namespace"},
		{"hostile namespace", Config{Namespace: "../../etc", Name: "web"}, nil, "namespace"},
		{"hostile name", Config{Namespace: "test", Name: "../../etc"}, nil, "name"},
		{"name with a line feed", Config{Namespace: "test", Name: "web\n"}, nil, "name"},
		{"long name", Config{Namespace: "test", Name: strings.Repeat("a", 254)}, nil, "name"},
		{"families mixed up", Config{Namespace: "test", Name: "web", Pool4: DefaultPool6}, nil, "no IPv4 prefix"},
		{"families mixed up the other way", Config{Namespace: "test", Name: "web", Pool6: DefaultPool4}, nil, "no IPv6 prefix"},
		{"host bits", Config{Namespace: "test", Name: "web", Pool4: netip.MustParsePrefix("10.9.0.1/16")}, nil, "write 10.9.0.0/16"},
		{"small pool", Config{Namespace: "test", Name: "web", Pool4: netip.MustParsePrefix("10.9.0.0/30")}, nil, "/8 to /29"},
		{"multicast pool", Config{Namespace: "test", Name: "web", Pool4: netip.MustParsePrefix("224.0.0.0/16")}, nil, "unicast"},
		{"pool around the uplink's network", Config{Namespace: "test", Name: "web", Pool4: netip.MustParsePrefix("198.51.0.0/16")}, nil, "198.51.100.0/24 dev up0"},
		{"pool that is the uplink's network", Config{Namespace: "test", Name: "web", Pool6: netip.MustParsePrefix("2001:db8:51::/64")}, nil, "2001:db8:51::/64 dev up0"},
		{"pool around the host's address", Config{Namespace: "test", Name: "web", Pool4: netip.MustParsePrefix("198.51.100.0/29")}, nil, "198.51.100.2/32 dev up0"},
		{"device name taken", Config{Namespace: "test", Name: "taken"}, func(t *testing.T) {
			run(t, "ip", "tuntap", "add", taken, "mode", "tap")
			t.Cleanup(func() { run(t, "ip", "link", "delete", taken) }) // New has not deleted it
		}, "device " + taken},
		{"namespace taken", Config{Namespace: "test", Name: "web"}, func(t *testing.T) {
			run(t, "ip", "netns", "add", "tapir-test.web")
			t.Cleanup(func() { run(t, "ip", "netns", "delete", "tapir-test.web") })
		}, "/run/netns/tapir-test.web"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leftovers.Check(t)
			if test.do != nil {
				test.do(t)
			}
			p, err := New(t.Context(), test.cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				deletePod(t, p)
				t.Fatal("it succeeded")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line with %q in it", err, test.want)
			}
		})
	}
}

func TestOtherPools(t *testing.T) {
	uplink(t, 1400)
	makePod(t, "web")
	_, err := New(t.Context(), Config{Namespace: "test", Name: "web", Pool4: netip.MustParsePrefix("10.9.0.0/16")}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("got %v", err)
	}
}

// A route to a network as large as 10.0.0.0/8, as offices have it, doesn't keep pods away: theirs are more specific.
func TestPoolWithinRoute(t *testing.T) {
	host, _ := uplink(t, 1400)
	host.Route(t, netip.MustParsePrefix("10.0.0.0/8"), outside4.Addr())
	host.Route(t, netip.MustParsePrefix("fd00::/8"), outside6.Addr())
	p := makePod(t, "web")
	server := netip.AddrPortFrom(p.Address4, 8080)
	enter(t, p).ServeTCP(t, server)
	client, err := host.DialTCP(netip.AddrPort{}, server)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	enter(t, p).Command(t, "ping", "-c", "1", outside4.Addr().String())
}

// A process that waits for another can be interrupted.
func TestLockEndsWithContext(t *testing.T) {
	unlock, err := lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := New(ctx, Config{Namespace: "test", Name: "web"}, slog.New(slog.DiscardHandler))
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Without its record of settings, the host isn't changed; a pod that fails half-way leaves nothing.
func TestDamagedHostRecord(t *testing.T) {
	uplink(t, 1400)
	if err := errors.Join(os.MkdirAll(podsDir, 0o755), os.WriteFile(hostFile, []byte("{"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(hostFile) })
	leftovers.Check(t)
	_, err := New(t.Context(), Config{Namespace: "test", Name: "web"}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), hostFile) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestDamagedRecord(t *testing.T) {
	leftovers.Check(t)
	if err := os.MkdirAll(podsDir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := podsDir + "/tapir-test.web.json"
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	if _, err := whole(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}
