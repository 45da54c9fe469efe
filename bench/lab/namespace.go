// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"
)

// A Namespace is a network namespace without a name.
type Namespace struct {
	ns.NetNS
}

// newNamespace makes one with its loopback up.
func newNamespace() (*Namespace, error) {
	type result struct {
		handle ns.NetNS
		err    error
	}
	made := make(chan result)
	go func() {
		// Never unlocked: the runtime ends the thread, which is in the new namespace, with the goroutine.
		runtime.LockOSThread()
		var r result
		if r.err = unix.Unshare(unix.CLONE_NEWNET); r.err == nil {
			r.handle, r.err = ns.GetCurrentNS()
		}
		made <- r
	}()
	r := <-made
	if r.err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", r.err)
	}
	n := &Namespace{r.handle}
	err := n.Run(func() error {
		// Connections are made by the thousand, from the same address to the same port.
		return setSysctls(map[string]string{
			"net/ipv4/ip_local_port_range": "1024 65535",
			"net/ipv4/tcp_tw_reuse":        "1",
			"net/core/somaxconn":           "65535",
		})
	})
	if err == nil {
		err = n.up("lo")
	}
	if err != nil {
		n.NetNS.Close()
		return nil, err
	}
	return n, nil
}

// Path leads to the namespace as long as this process holds it.
func (n *Namespace) Path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.Fd())
}

// Run runs f on a thread inside the namespace. Sockets that f opens stay in it; goroutines that it starts don't.
func (n *Namespace) Run(f func() error) error {
	return n.Do(func(ns.NetNS) error { return f() })
}

func setSysctls(settings map[string]string) error {
	for path, value := range settings {
		if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0); err != nil {
			return fmt.Errorf("setting a kernel parameter: %w", err)
		}
	}
	return nil
}
