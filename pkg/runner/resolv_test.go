// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/sandbox"
)

// The resolv.conf of a pod's process is the pod's; it can't lead out of the process's root, nor hold us up.
func TestResolverOfProcess(t *testing.T) {
	host, pods := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	sandbox.File(t, "/etc/resolv.conf", "nameserver "+host.String()+"\n")
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("nameserver 192.0.2.3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		make func(path string) error
		want netip.Addr
	}{
		"file":    {func(p string) error { return os.WriteFile(p, []byte("nameserver "+pods.String()+"\n"), 0o600) }, pods},
		"missing": {func(string) error { return nil }, host},
		"link":    {func(p string) error { return os.Symlink(outside, p) }, host},
		"pipe":    {func(p string) error { return unix.Mkfifo(p, 0o600) }, host},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.Mkdir(filepath.Join(root, "etc"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(filepath.Join(root, "etc/resolv.conf")); err != nil {
				t.Fatal(err)
			}
			busybox, err := os.ReadFile("/bin/busybox")
			if err == nil {
				err = os.WriteFile(filepath.Join(root, "busybox"), busybox, 0o700)
			}
			if err != nil {
				t.Fatal(err)
			}
			pod := exec.Command("/busybox", "sleep", "600")
			pod.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
			if err := pod.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = pod.Process.Kill()
				_ = pod.Wait()
			})
			got, _ := PodResolver(fmt.Sprintf("/proc/%d/ns/net", pod.Process.Pid))
			if !slices.Equal(got, []netip.Addr{tt.want}) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
