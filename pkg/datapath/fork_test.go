// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	osexec "os/exec"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A tap can be opened as soon as it is made, while this process starts others, which begin with all that is open in it.
func TestTapIsFreeOnceMade(t *testing.T) {
	pod := nstest.NewNamespace(t, "pod")
	defer allTheWhile(func() {
		if err := osexec.Command("true").Run(); err != nil {
			t.Error(err)
		}
	})()
	pod.Must(t, func() error {
		for range 200 {
			tap, err := makeTap(&Config{Tap: "tap0", TapUID: -1, TapGID: -1, Queues: 1})
			if err != nil {
				return err
			}
			f, err := openQueue(tap.Name, 1)
			if err != nil {
				return err
			}
			f.Close()
			if err := netlink.LinkDel(tap); err != nil {
				return err
			}
		}
		return nil
	})
}

// allTheWhile does something again and again, beside the caller, until stop returns.
func allTheWhile(do func()) (stop func()) {
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stopping:
				return
			default:
				do()
			}
		}
	}()
	return func() {
		close(stopping)
		<-stopped
	}
}
