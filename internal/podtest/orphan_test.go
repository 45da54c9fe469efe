// SPDX-License-Identifier: Apache-2.0

package podtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

func TestMain(m *testing.M) { Main(m) }

// A QEMU of the pod is ended, another one isn't.
func TestKillOrphans(t *testing.T) {
	p := New(t, t.TempDir(), "uid", nstest.NewNamespace(t, "pod"))
	other := nstest.NewNamespace(t, "other")
	sleep, err := exec.LookPath("busybox") // static, so it runs under any name
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "qemu-system-test")
	if err := os.Symlink(sleep, program); err != nil {
		t.Fatal(err)
	}
	start := func(n *nstest.Namespace) *exec.Cmd {
		cmd := &exec.Cmd{Path: program, Args: []string{"sleep", "1000"}}
		n.Must(t, cmd.Start)
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		return cmd
	}
	orphan, stranger := start(p.NetNS), start(other)
	if err := p.killOrphans(); err != nil {
		t.Fatal(err)
	}
	if err := orphan.Wait(); err == nil || orphan.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the pod's ended with %v", err)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another pod's: %v", err)
	}
}
