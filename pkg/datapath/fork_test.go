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
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := osexec.Command("true").Run(); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
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
