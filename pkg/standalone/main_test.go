// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/internal/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// Addresses of the test network. The sandbox plays the host:
//
//	pods ---- host up0 ---- eth0 outside
var (
	host4, host6       = netip.MustParsePrefix("198.51.100.2/24"), netip.MustParsePrefix("2001:db8:51::2/64")
	outside4, outside6 = netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("2001:db8:51::1/64")
)

// uplink joins the host to an outside, by which it has its default routes. At its end the test checks that
// everything is as before.
func uplink(t *testing.T, mtu int) (host, outside *nstest.Namespace) {
	t.Helper()
	leftovers.Check(t)
	handle, err := ns.GetCurrentNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	host, outside = &nstest.Namespace{NetNS: handle}, nstest.NewNamespace(t, "outside")
	host.Sysctl(t, "net/ipv6/conf/default/accept_dad", "0")
	nstest.Connect(t, outside, "eth0", host, "up0", mtu)
	for _, address := range []netip.Prefix{host4, host6} {
		host.Command(t, "ip", "address", "add", address.String(), "dev", "up0", "nodad")
	}
	for _, address := range []netip.Prefix{outside4, outside6} {
		outside.Command(t, "ip", "address", "add", address.String(), "dev", "eth0", "nodad")
	}
	host.Route(t, netip.MustParsePrefix("0.0.0.0/0"), outside4.Addr())
	host.Route(t, netip.MustParsePrefix("::/0"), outside6.Addr())
	return host, outside
}

// makePod makes a pod for the time of a test.
func makePod(t *testing.T, name string) *Pod {
	t.Helper()
	p, err := New(t.Context(), Config{Namespace: "test", Name: name}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deletePod(t, p) })
	return p
}

func deletePod(t *testing.T, p *Pod) {
	t.Helper()
	// The test's own context has ended by the time of its clean-up.
	if err := p.Delete(context.Background(), slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

// enter opens the pod's namespace.
func enter(t *testing.T, p *Pod) *nstest.Namespace {
	t.Helper()
	handle, err := ns.GetNS(p.NetNS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	return &nstest.Namespace{NetNS: handle}
}

// run runs a program on the host.
func run(t *testing.T, command ...string) {
	t.Helper()
	if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%v: %v: %s", command, err, output)
	}
}

// A journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) contains(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}
