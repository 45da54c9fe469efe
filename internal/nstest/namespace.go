// SPDX-License-Identifier: Apache-2.0

package nstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// A Namespace is a network namespace that lives as long as the test that made it.
type Namespace struct {
	ns.NetNS
}

var made atomic.Int64

// NewNamespace makes a network namespace with its loopback up. Label says in its name what it is for.
//
// IPv6 addresses in it are usable at once (no duplicate address detection), and ICMP errors are not
// rate limited, so that no outcome depends on how fast a test runs.
func NewNamespace(t testing.TB, label string) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root: run the tests as root")
	}
	name := fmt.Sprintf("nstest-%d-%d-%s", os.Getpid(), made.Add(1), label)
	if err := create(name); err != nil {
		t.Fatalf("making network namespace %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := netns.DeleteNamed(name); err != nil {
			t.Errorf("deleting network namespace %s: %v", name, err)
		}
	})
	handle, err := ns.GetNS(filepath.Join("/run/netns", name))
	if err != nil {
		t.Fatalf("opening network namespace %s: %v", name, err)
	}
	t.Cleanup(func() { handle.Close() })

	n := &Namespace{handle}
	n.Sysctl(t, "net/ipv6/conf/all/accept_dad", "0")
	n.Sysctl(t, "net/ipv6/conf/default/accept_dad", "0")
	n.Sysctl(t, "net/ipv4/icmp_ratelimit", "0")
	n.Sysctl(t, "net/ipv6/icmp/ratelimit", "0")
	n.Up(t, "lo")
	return n
}

// create makes a named namespace without moving the caller into it: ns.Do brings its thread back.
func create(name string) error {
	here, err := ns.GetCurrentNS()
	if err != nil {
		return err
	}
	defer here.Close()
	return here.Do(func(ns.NetNS) error {
		handle, err := netns.NewNamed(name)
		if err != nil {
			return err
		}
		return handle.Close()
	})
}

// Run is f's result when it runs on a thread inside the namespace. Sockets that f opens stay in the
// namespace; goroutines that it starts don't run there.
func Run[T any](n *Namespace, f func() (T, error)) (T, error) {
	var result T
	err := n.Do(func(ns.NetNS) (err error) {
		result, err = f()
		return err
	})
	return result, err
}

// Must runs f on a thread inside the namespace and fails the test with its error.
func (n *Namespace) Must(t testing.TB, f func() error) {
	t.Helper()
	if err := n.Do(func(ns.NetNS) error { return f() }); err != nil {
		t.Fatalf("in %s: %v", filepath.Base(n.Path()), err)
	}
}

// Command runs a program inside the namespace and returns what it wrote.
func (n *Namespace) Command(t testing.TB, name string, arguments ...string) string {
	t.Helper()
	output, err := Run(n, func() ([]byte, error) {
		return exec.Command(name, arguments...).CombinedOutput()
	})
	if err != nil {
		t.Fatalf("in %s: %s %v: %v\n%s", filepath.Base(n.Path()), name, arguments, err, output)
	}
	return string(output)
}

// Sysctl writes a kernel setting of the namespace, named by its path under /proc/sys.
func (n *Namespace) Sysctl(t testing.TB, path, value string) {
	t.Helper()
	n.Must(t, func() error {
		return os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0)
	})
}

// Up brings a link up.
func (n *Namespace) Up(t testing.TB, link string) {
	t.Helper()
	n.Must(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return fmt.Errorf("finding link %s: %w", link, err)
		}
		return netlink.LinkSetUp(l)
	})
}
