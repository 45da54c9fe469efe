// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	osexec "os/exec"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A family counts when the pod's NIC has a global address of it.
func TestPodOfOneFamily(t *testing.T) {
	prepared(t)
	for _, f := range both {
		t.Run(f.Name, func(t *testing.T) {
			_, pod := newPod(t, f)
			before := look(t, pod)
			cfg := config(pod)
			attach(t, cfg)
			s := status(t, cfg)
			a := s.Addresses
			if !s.Healthy || a.Pod4.IsValid() != f.Pod.Addr().Is4() || a.Pod6.IsValid() != f.Pod.Addr().Is6() {
				t.Errorf("status: %+v", s)
			}
			if a.Pod4.IsValid() != a.Guest4.IsValid() || a.Pod6.IsValid() != a.Guest6.IsValid() {
				t.Errorf("addresses: %+v", a)
			}
			if got, want := addresses(t, pod, "tap0"), a.gateway(); !sameElements(got, want) {
				t.Errorf("tap has %v, want %v", got, want)
			}
			if f.Pod.Addr().Is4() {
				cfg.MTU = 1000 // IPv6's minimum is none of this pod's
				again(t, cfg)
			}
			detach(t, cfg)
			before.unchanged(t, pod)
		})
	}
}

// Attaching again follows the addresses that the pod has got or lost.
func TestPodChangesFamilies(t *testing.T) {
	prepared(t)
	_, pod := newPod(t)
	pod.Command(t, "ip", "address", "add", nstest.IPv4.Pod.String(), "dev", "eth0")
	before := look(t, pod)
	cfg := config(pod)
	attach(t, cfg)
	for _, change := range []struct{ verb, address string }{
		{"add", nstest.IPv6.Pod.String()}, {"delete", nstest.IPv4.Pod.String()}, {"add", nstest.IPv4.Pod.String()}, {"delete", nstest.IPv6.Pod.String()},
	} {
		pod.Command(t, "ip", "address", change.verb, change.address, "dev", "eth0")
		again(t, cfg)
		s := status(t, cfg)
		if got, want := addresses(t, pod, "tap0"), s.Addresses.gateway(); !s.Healthy || !sameElements(got, want) {
			t.Errorf("%s %s: tap has %v, want %v; status %+v", change.verb, change.address, got, want, s)
		}
	}
	detach(t, cfg)
	before.unchanged(t, pod)
}

// Where new devices come up without IPv6, the tap gets it as soon as the pod has it.
func TestIPv6IsOffByDefault(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	pod.Sysctl(t, "net/ipv6/conf/default/disable_ipv6", "1")
	pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr")
	before := look(t, pod)
	cfg := config(pod)
	attach(t, cfg)
	if got, want := addresses(t, pod, "tap0"), open(t, cfg).Addresses().gateway(); !sameElements(got, want) {
		t.Errorf("tap has %v, want %v", got, want)
	}
	detach(t, cfg)
	before.unchanged(t, pod)
}

func TestOddNames(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	before := look(t, pod)
	for _, tap := range []string{"tap.0", "tap_0", "tap-0", "t[a-z]*?", "..tap", `t\"{}`, "123456789012345"} {
		t.Run(tap, func(t *testing.T) {
			cfg := config(pod)
			cfg.Tap = tap
			attach(t, cfg)
			if s := status(t, cfg); !s.Healthy || s.Config.Tap != tap {
				t.Errorf("status: %+v", s)
			}
			if swept, err := Sweep(); err != nil || len(swept) > 0 {
				t.Errorf("swept %q, %v", swept, err)
			}
			for _, other := range []string{"tap_0", "tap.0"} {
				if _, err := Open(cfg.NetNS, other); other != tap && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("opening %s: %v", other, err)
				}
			}
			detach(t, cfg)
			before.unchanged(t, pod)
		})
	}
}

// A namespace is the same by whatever path.
func TestNamespaceOfProcess(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	process, err := nstest.Run(pod, func() (*osexec.Cmd, error) {
		cmd := osexec.Command("sleep", "infinity")
		return cmd, cmd.Start()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = process.Process.Kill() // fails where it has ended
		_ = process.Wait()         // it was killed
	}()
	before := look(t, pod)
	byProcess, byName := config(pod), config(pod)
	byProcess.NetNS = fmt.Sprintf("/proc/%d/ns/net", process.Process.Pid)
	attach(t, byProcess)
	again(t, byName)
	again(t, byProcess)
	if s := status(t, byName); !s.Healthy || s.Config.NetNS != byProcess.NetNS {
		t.Errorf("status: %+v", s)
	}
	detach(t, byName)
	before.unchanged(t, pod)
	detach(t, byProcess)

	// The process ends, the namespace stays, and so does what is attached.
	again(t, byProcess)
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait() // it was killed
	if swept, err := Sweep(); err != nil || len(swept) > 0 {
		t.Errorf("swept %q, %v", swept, err)
	}
	if s := status(t, byName); !s.Healthy {
		t.Errorf("status: %+v", s)
	}
	detach(t, byName)
	if _, err := Open(byName.NetNS, byName.Tap); !errors.Is(err, fs.ErrNotExist) || device(t, pod, "tap0") != nil {
		t.Error("detached, and still there")
	}
}
