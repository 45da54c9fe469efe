// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Another device that has come in the tap's place is left alone, whatever it is, and keeps nobody from detaching.
func TestDetachBesideStranger(t *testing.T) {
	prepared(t)
	for _, stranger := range []string{"tuntap add tap0 mode tap", "tuntap add tap0 mode tun", "link add tap0 type bridge"} {
		t.Run(stranger, func(t *testing.T) {
			_, pod := newPod(t, both...)
			cfg := config(pod)
			again(t, cfg)
			key := open(t, cfg).key
			pod.Command(t, "ip", "link", "delete", "tap0")
			pod.Command(t, "ip", strings.Fields(stranger)...)
			detach(t, cfg)
			if device(t, pod, "tap0") == nil {
				t.Error("it is gone")
			}
			for _, path := range []string{pinDir(key), recordPath(key)} {
				if _, err := os.Stat(path); err == nil {
					t.Errorf("%s is left", path)
				}
			}
		})
	}
}

// A namespace outlives the path that was given for it: nothing is left in it either.
func TestDetachByAPathThatIsGone(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	before := look(t, pod)
	cfg := config(pod)
	cfg.NetNS = filepath.Join(t.TempDir(), "alias")
	if err := os.WriteFile(cfg.NetNS, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(pod.Path(), cfg.NetNS, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	unmount := func() error { return unix.Unmount(cfg.NetNS, unix.MNT_DETACH) }
	t.Cleanup(func() { _ = unmount() }) // fails where it was unmounted below
	again(t, cfg)
	if err := errors.Join(unmount(), os.Remove(cfg.NetNS)); err != nil {
		t.Fatal(err)
	}
	detach(t, cfg)
	before.unchanged(t, pod)
}

// What the maps of another version hold isn't misread: there is one error, and attaching again mends it. The other NICs
// are listed meanwhile.
func TestOtherVersion(t *testing.T) {
	n, cfg := newScene(t, func(*Config) {})
	_, beside := newPod(t, both...)
	attach(t, config(beside))
	older := func() {
		nic := open(t, cfg)
		nic.record.Programs, nic.record.Constants.FlowSeed = "0123456789abcdef", 0
		if err := nic.record.write(nic.key); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(dir string){
		"another layout": func(dir string) {
			m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.LRUHash, KeySize: 24, ValueSize: 48, MaxEntries: DefaultFlows})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if err := pinOver(dir, masqueradeMapFlows, m); err != nil {
				t.Fatal(err)
			}
		},
		"a map less": func(dir string) {
			if err := os.Remove(filepath.Join(dir, masqueradeMapSettings)); err != nil {
				t.Fatal(err)
			}
		},
		"a program less": func(dir string) {
			if err := os.Remove(filepath.Join(dir, masqueradeProgTapirSurvey)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := pinDir(open(t, cfg).key)
			older()
			open(t, cfg) // only its programs are other ones
			change(dir)
			_, openErr := Open(cfg.NetNS, cfg.Tap)
			nics, listErr := List()
			var listed []string
			for _, nic := range nics {
				listed = append(listed, nic.Config().NetNS)
				nic.Close()
			}
			for what, err := range map[string]error{"open": openErr, "list": listErr} {
				says := "tap0 in " + cfg.NetNS + " was attached by another version of tapir: attach it again"
				if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), says) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if !slices.Contains(listed, beside.Path()) || slices.Contains(listed, cfg.NetNS) {
				t.Errorf("listed: %s", listed)
			}
			again(t, cfg)
			if s := status(t, cfg); !s.Healthy {
				t.Errorf("status: %+v", s)
			}
			if open(t, cfg).record.Constants.FlowSeed == 0 {
				t.Error("whoever knows the programs can tell which flows share slots")
			}
			works(t, n)
		})
	}
}

// The runtime waits for a tap's frames as for any connection's.
func TestOpenTapCanWait(t *testing.T) {
	_, pod := newPod(t, both...)
	cfg := config(pod)
	attach(t, cfg)
	files, err := OpenTap(cfg.NetNS, cfg.Tap, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	frame := make([]byte, jumbo)
	for { // the kernel's own first
		if err := files[0].SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := files[0].Read(frame); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	read := make(chan error, 1)
	if err := files[0].SetReadDeadline(time.Now().Add(nstest.Patience * 5)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := files[0].Read(frame)
		read <- err
	}()
	socket := dialUDP(t, pod, netip.AddrPortFrom(nstest.IPv4.Guest.Addr(), 9)) // the kernel asks for its MAC
	for {
		if _, err := socket.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-read:
			if err != nil {
				t.Error(err)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// No frame of the guest's reaches the pod's stack before the program that judges it.
func TestNoFrameBeforeItsProgram(t *testing.T) {
	_, pod := newPod(t, both...)
	pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr")
	files, err := OpenTap(pod.Path(), "tap0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	server := pod.ListenUDP(t, netip.MustParseAddrPort("0.0.0.0:7777"))
	spoofed := packet(udp, netip.MustParseAddr("10.0.2.77"), netip.MustParseAddr("255.255.255.255"), 7777, 7777)
	frame := append(make([]byte, 10), framed(t, guestMAC, broadcastMAC, spoofed)...) // struct virtio_net_hdr before it
	stop := allTheWhile(func() {
		_, _ = files[0].Write(frame) // fails while the tap is down
	})
	cfg := config(pod)
	attach(t, cfg)
	eventually(t, "a drop", func() bool { return len(drops(t, cfg)) > 0 })
	stop()
	if err := server.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, from, err := server.ReadFromUDPAddrPort(make([]byte, 100)); err == nil {
		t.Errorf("the pod got %d bytes from %s", n, from)
	}
}
