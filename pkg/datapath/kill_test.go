// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Packets don't depend on the process that attached: transfers in both directions end intact although it is
// killed meanwhile, each time somewhere in the midst of attaching again.
func TestTransferOutlivesAttacher(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	other := cfg
	other.MTU = 1450
	var transfers []*nstest.TCPClient
	for _, f := range both {
		for _, end := range []struct {
			from *nstest.Namespace
			to   netip.AddrPort
		}{
			{n.Client, netip.AddrPortFrom(f.Pod.Addr(), servedPort)},
			{n.Guest, netip.AddrPortFrom(f.Client.Addr(), remotePort)},
		} {
			transfer, err := end.from.DialTCP(netip.AddrPort{}, end.to)
			if err != nil {
				t.Fatal(err)
			}
			defer transfer.Close()
			transfers = append(transfers, transfer)
		}
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	for i := range 8 {
		a := startAttacher(t, other, cfg)
		a.await(t, "attached", 1)
		ended := make(chan error)
		for _, transfer := range transfers {
			go func() { ended <- transfer.Echo(data) }()
		}
		time.Sleep(time.Duration(i) * 10 * time.Millisecond) // somewhere else each time
		a.kill()
		for range transfers {
			if err := <-ended; err != nil {
				t.Errorf("round %d: %v", i, err)
			}
		}
		again(t, cfg)
		if s := status(t, cfg); !s.Healthy || s.Config.MTU != 0 {
			t.Errorf("round %d: after attaching again: %+v", i, s)
		}
	}
}

// Whenever a first Attach is killed, Detach finds all that it has made, and attaching again completes it.
func TestAttachKilledAnywhere(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	for name, prepare := range map[string]func(){
		"tap to make":  func() {},
		"existing tap": func() { pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr") },
	} {
		t.Run(name, func(t *testing.T) {
			prepare()
			before := look(t, pod)
			cfg := config(pod)
			for i := range 25 {
				a := startAttacher(t, cfg)
				a.await(t, "begin", 1)
				time.Sleep(time.Duration(i) * 8 * time.Millisecond)
				a.kill()
				if i%4 == 3 {
					again(t, cfg)
					if s := status(t, cfg); !s.Healthy {
						t.Errorf("round %d: after attaching again: %+v", i, s)
					}
				}
				detach(t, cfg)
				before.unchanged(t, pod)
				if t.Failed() {
					t.Fatalf("this was round %d", i)
				}
			}
		})
	}
}
