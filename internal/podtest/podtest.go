// SPDX-License-Identifier: Apache-2.0

// Package podtest gives tests a launcher's pod without Kubernetes: what kubelet, container runtime and CNI plugin make of one.
//
// A pod is a network namespace with a NIC, volumes below a directory that looks like the kubelet's, and tapir-launcher as its main
// process: user 107, no capabilities, no new privileges, in that network namespace. The launcher is the test binary itself,
// started again; so a package's TestMain calls [Main]. Tests need root and fail without it.
package podtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/internal/sandbox"
	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/launcher"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// rootOf tells a process that it is a pod's launcher, and where its root is.
const rootOf = "TAPIR_TEST_POD"

// Main is what a package's TestMain calls. It doesn't return.
func Main(m *testing.M) {
	if root := os.Getenv(rootOf); root != "" {
		if err := launch(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	sandbox.Main(m)
}

// launch is the launcher's process.
func launch(root string) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	switch os.Getenv(pretence) {
	case hollow:
		return beHollow(ctx, root, log)
	case silent:
		return beSilent(ctx, root)
	}
	return launcher.Run(ctx, launcher.Options{Root: root, Acceleration: vm.TCG, Log: log})
}

// Pod is a pod whose launcher may run.
type Pod struct {
	UID      string
	Pods     string // the kubelet's directory of pods
	Root     string // of the launcher's paths
	NetNS    *nstest.Namespace
	Launcher *exec.Cmd
	ended    chan struct{}
}

// New makes a pod in a network namespace with an eth0 that has addresses. Everything goes with the test.
func New(t testing.TB, pods, uid string, netns *nstest.Namespace) *Pod {
	t.Helper()
	p := &Pod{UID: uid, Pods: pods, NetNS: netns}
	dir, err := os.MkdirTemp("", "tapir-pod-") // short, for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p.Root = dir
	sockets := filepath.Join(pods, p.UID, "volumes/kubernetes.io~empty-dir", handover.SocketsVolume)
	for _, d := range []string{p.Path(handover.SocketsDir), p.Path(handover.PrivateDir), p.Path("/dev"), sockets} {
		err = errors.Join(err, os.MkdirAll(d, 0o777), os.Chown(d, handover.UID, handover.GID))
	}
	err = errors.Join(err, os.Chmod(dir, 0o755),
		unix.Mount(p.Path(handover.SocketsDir), sockets, "", unix.MS_BIND, ""),
		p.Write("/etc/resolv.conf", "nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local\n"),
		p.Write("/dev/termination-log", ""))
	if err != nil {
		t.Fatalf("make a pod: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(sockets, unix.MNT_DETACH) })
	return p
}

// Path is where something of the pod lies.
func (p *Pod) Path(inPod string) string { return filepath.Join(p.Root, inPod) }

// Write puts a file into the pod, which its user may change.
func (p *Pod) Write(inPod, content string) error {
	path := p.Path(inPod)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644), os.Chown(path, handover.UID, handover.GID))
}

// Start starts the launcher, which is killed with the test.
func (p *Pod) Start(t testing.TB) {
	t.Helper()
	p.start(t)
}

func (p *Pod) start(t testing.TB, environment ...string) {
	t.Helper()
	command := exec.Command("/proc/self/exe")
	command.Env = append(environment, rootOf+"="+p.Root, "PATH="+os.Getenv("PATH"))
	command.Stderr = os.Stderr
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: handover.UID, Gid: handover.GID}}
	p.NetNS.Must(t, command.Start)
	p.Launcher, p.ended = command, make(chan struct{})
	go func() {
		defer close(p.ended)
		command.Wait()
	}()
	t.Cleanup(func() {
		p.Kill()
		if err := vm.Kill(context.Background(), p.Path(handover.PrivateDir)); err != nil && !errors.Is(err, vm.ErrNotRunning) {
			t.Errorf("end the pod's QEMU, as its process namespace would: %v", err)
		}
		if err := p.killOrphans(); err != nil {
			t.Error(err)
		}
	})
}

// Kill kills the launcher and waits for its end.
func (p *Pod) Kill() {
	p.Launcher.Process.Kill()
	<-p.ended
}

// Ended is closed when the launcher has ended.
func (p *Pod) Ended() <-chan struct{} { return p.ended }

// Stop sends the launcher SIGTERM, as the kubelet does.
func (p *Pod) Stop(t testing.TB) {
	t.Helper()
	if err := p.Launcher.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("ask the launcher to end: %v", err)
	}
}
