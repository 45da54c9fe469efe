// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirt "kubevirt.io/api/core/v1"
)

const podUID = "0b3f3a5e-7f3c-4f6e-9c7b-2f1d6a0e4a11"

// newPod makes what the kubelet makes of a pod's volume for sockets, below a directory whose own path fits no socket's.
func newPod(t *testing.T) (pods, sockets string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("run the tests as root: they play agent and launcher")
	}
	pods = filepath.Join(t.TempDir(), "a-directory-of-pods-with-a-name-that-is-long-enough")
	sockets = filepath.Join(pods, podUID, "volumes/kubernetes.io~empty-dir", SocketsVolume)
	if err := os.MkdirAll(sockets, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(sockets, UID, GID); err != nil {
		t.Fatal(err)
	}
	return pods, sockets
}

// as runs f as another user: on a thread that is thrown away afterwards.
func as(uid int, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(call, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				panic(fmt.Sprintf("become user %d: %v", uid, errno))
			}
		}
		f()
	}()
	<-done
}

// inDir calls f with a path to dir that is short enough for a socket in it.
func inDir(t *testing.T, dir string, f func(short string)) {
	t.Helper()
	handle, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	f(fmt.Sprintf("/proc/self/fd/%d", handle.Fd()))
}

// listenAs makes a socket of another user in dir.
func listenAs(t *testing.T, uid int, dir, name string) *net.UnixListener {
	t.Helper()
	var l *net.UnixListener
	var err error
	inDir(t, dir, func(short string) {
		as(uid, func() { l, err = listen(filepath.Join(short, name), "unixpacket") })
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// launch serves a launcher's handover socket until the test ends.
func launch(t *testing.T, dir string, take func(*Plan, []Files)) {
	t.Helper()
	netns, err := os.Open(ownNetNS)
	if err != nil {
		t.Fatal(err)
	}
	l := &Listener{listener: listenAs(t, UID, dir, HandoverSocket), netns: netns, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(ctx, take) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// open opens a pod's sockets as the agent does.
func open(t *testing.T, pods string) *Sockets {
	t.Helper()
	s, err := OpenSockets(pods, podUID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// marked makes a file that can be told from others by its content.
func marked(t *testing.T, mark string) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate(mark, unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), mark)
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(mark); err != nil {
		t.Fatal(err)
	}
	return f
}

func markOf(t *testing.T, f *os.File) string {
	t.Helper()
	text := make([]byte, 64)
	n, _ := f.ReadAt(text, 0)
	return string(text[:n])
}

// newPlan is one of a machine with a NIC of each kind, and its descriptors.
func newPlan(t *testing.T) (*Plan, []Files) {
	plan := &Plan{
		VMI: &kubevirt.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo"}},
		NICs: []NIC{
			{
				Name: "default", Queues: 150, VHost: true, MTU: 1500, GatewayMAC: "02:00:00:00:00:00",
				Guest4: netip.MustParsePrefix("10.0.2.2/24"), Gateway4: netip.MustParseAddr("10.0.2.1"),
				Guest6: netip.MustParseAddr("fd10:0:2::2"), Prefix6: netip.MustParsePrefix("fd10:0:2::/120"),
			},
			{Name: "second", Queues: 1, MTU: 1400},
		},
	}
	files := make([]Files, 2)
	for i := range 150 {
		files[0].Taps = append(files[0].Taps, marked(t, fmt.Sprintf("tap %d", i)))
		files[0].VHost = append(files[0].VHost, marked(t, fmt.Sprintf("vhost %d", i)))
	}
	files[0].DHCP4, files[0].DHCP6, files[0].RA = marked(t, "dhcp4"), marked(t, "dhcp6"), marked(t, "ra")
	files[1].Taps = []*os.File{marked(t, "second")}
	return plan, files
}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
