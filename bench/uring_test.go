// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where io_uring is forbidden, no load is fed another way: it is left out, and refused when wanted by name.
func TestFitWithoutUring(t *testing.T) {
	withoutUring(t, func() {
		for _, e := range Full() {
			if !strings.HasPrefix(e.Name(), "udp-") {
				continue
			}
			p := short([]Datapath{mirred{}}, e.Load)
			if err := p.Fit(nil); err != nil || len(p.Entries) > 0 || len(p.Skipped) != 1 {
				t.Errorf("%s: %d entries, skipped %v, %v", e.Name(), len(p.Entries), p.Skipped, err)
			}
			p = short([]Datapath{mirred{}}, e.Load)
			err := p.Fit([]string{e.Name()})
			if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "kernel.io_uring_disabled") {
				t.Errorf("%s is wanted by name: got %v", e.Name(), err)
			}
		}
	})
}

// withoutUring runs f on a thread that a seccomp filter denies io_uring, as container engines do. The thread ends with it.
func withoutUring(t *testing.T, f func()) {
	t.Helper()
	const number = 0 // offset in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
			t.Errorf("forbidding io_uring: %v", err)
			return
		}
		f()
	}()
	<-done
}
