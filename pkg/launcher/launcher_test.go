// SPDX-License-Identifier: Apache-2.0

package launcher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/internal/podtest"
	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/launcher"
)

func TestMain(m *testing.M) { podtest.Main(m) }

// machine is a VirtualMachineInstance without a network; more is added to its spec, as YAML. disks are the volumes that are on virtio.
func machine(t *testing.T, more string, disks ...string) *kubevirt.VirtualMachineInstance {
	t.Helper()
	vmi := &kubevirt.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo"}}
	text := "terminationGracePeriodSeconds: 0\ndomain:\n  memory: {guest: 64Mi}\n  devices: {autoattachPodInterface: false}\n" + more
	if err := yaml.UnmarshalStrict([]byte(text), &vmi.Spec); err != nil {
		t.Fatal(err)
	}
	for _, name := range disks {
		virtio := kubevirt.DiskDevice{Disk: &kubevirt.DiskTarget{Bus: kubevirt.DiskBusVirtio}}
		vmi.Spec.Domain.Devices.Disks = append(vmi.Spec.Domain.Devices.Disks, kubevirt.Disk{Name: name, DiskDevice: virtio})
	}
	return vmi
}

// rig is a pod and its agent's view of it.
type rig struct {
	*podtest.Pod
	sockets *handover.Sockets
	ctx     context.Context
}

func newRig(t *testing.T) *rig {
	t.Helper()
	leftovers.Check(t)
	pod := podtest.New(t, t.TempDir(), uuid.NewString(), nstest.NewNamespace(t, "pod"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	sockets, err := handover.OpenSockets(pod.Pods, pod.UID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sockets.Close() })
	return &rig{pod, sockets, ctx}
}

// hand starts the launcher and hands it a machine.
func (r *rig) hand(t *testing.T, vmi *kubevirt.VirtualMachineInstance) {
	t.Helper()
	r.Start(t)
	for {
		peer, err := handover.Connect(r.ctx, r.sockets)
		if errors.Is(err, os.ErrNotExist) && r.ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		if err := peer.Send(r.ctx, &handover.Plan{VMI: vmi}, nil); err != nil {
			t.Fatal(err)
		}
		return
	}
}

var errSeen = errors.New("seen")

// wait watches the launcher's status until it is as wanted.
func (r *rig) wait(t *testing.T, wanted func(*handover.Status) bool) (last handover.Status) {
	t.Helper()
	err := r.sockets.Watch(r.ctx, func(s *handover.Status) error {
		last = *s
		if wanted(s) {
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Fatalf("the launcher's last status was %+v: %v", last, err)
	}
	return last
}

// stays watches the launcher's status for a while, in which it is as wanted.
func (r *rig) stays(t *testing.T, while time.Duration, wanted func(*handover.Status) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, while)
	defer cancel()
	err := r.sockets.Watch(ctx, func(s *handover.Status) error {
		if !wanted(s) {
			return fmt.Errorf("it becomes %+v", *s)
		}
		return nil
	})
	if ctx.Err() == nil {
		t.Errorf("the launcher's status: %v", err)
	}
}

func state(s handover.State) func(*handover.Status) bool {
	return func(status *handover.Status) bool { return status.State == s }
}

// exit waits for the launcher's end and returns its last words.
func (r *rig) exit(t *testing.T) handover.Exit {
	t.Helper()
	select {
	case <-r.Ended():
	case <-r.ctx.Done():
		t.Fatal("the launcher doesn't end")
	}
	words, err := os.ReadFile(r.Path("/dev/termination-log"))
	if err != nil {
		t.Fatal(err)
	}
	exit, ok := handover.ParseExit(string(words))
	if !ok {
		t.Errorf("the last words are %q", words)
	}
	return exit
}

// statusOf reads a field of a process's status.
func statusOf(t *testing.T, pid int, field string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// The whole life of a machine in a process that may do nothing.
func TestLife(t *testing.T) {
	r := newRig(t)
	if err := r.Write(handover.Config("init")+"/userdata", "#cloud-config\n"); err != nil {
		t.Fatal(err)
	}
	r.hand(t, machine(t, `volumes:
- name: scratch
  emptyDisk: {capacity: 1Mi}
- name: init
  cloudInitNoCloud: {secretRef: {name: seed}}
`))
	status := r.wait(t, state(handover.Running))
	if status.Acceleration != "tcg" || status.Guest != nil {
		t.Errorf("status %+v", status)
	}
	for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if got := strings.Trim(statusOf(t, r.Launcher.Process.Pid, field), "0"); got != "" {
			t.Errorf("the launcher has %s %s", field, got)
		}
	}
	if got := strings.Fields(statusOf(t, r.Launcher.Process.Pid, "Uid")); got[0] != "107" {
		t.Errorf("the launcher is user %v", got)
	}
	if err := launcher.Ping(r.ctx, r.Root); err == nil {
		t.Error("an agent answers in a machine without a disk")
	}
	r.Stop(t)
	if exit := r.exit(t); exit.Failed || exit.Message == "" {
		t.Errorf("exit %+v", exit)
	}
}

// Whoever watches sees the end, and why.
func TestQEMUKilled(t *testing.T) {
	r := newRig(t)
	r.hand(t, machine(t, ""))
	r.wait(t, state(handover.Running))
	ended := make(chan handover.Status, 1)
	go func() {
		var last handover.Status
		if err := r.sockets.Watch(r.ctx, func(s *handover.Status) error { last = *s; return nil }); !errors.Is(err, io.EOF) {
			t.Errorf("watch: %v", err)
		}
		ended <- last
	}()
	for _, pid := range children(t, r.Launcher.Process.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	exit := r.exit(t)
	if !exit.Failed || !strings.Contains(exit.Message, "killed") {
		t.Errorf("exit %+v", exit)
	}
	if last := <-ended; last.Exit == nil || *last.Exit != exit {
		t.Errorf("the last status was %+v", last)
	}
}

func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(list)) {
			var child int
			fmt.Sscan(word, &child)
			pids = append(pids, child)
		}
	}
	if len(pids) == 0 {
		t.Fatal("the launcher has no QEMU")
	}
	return pids
}

// A guest that doesn't hear its power button, as one without a system or one that hangs, is switched off in time, and has failed.
func TestDeafGuest(t *testing.T) {
	r := newRig(t)
	vmi := machine(t, "")
	vmi.Spec.TerminationGracePeriodSeconds = ptr.To[int64](1)
	r.hand(t, vmi)
	r.wait(t, state(handover.Running))
	r.Stop(t)
	if exit := r.exit(t); !exit.Failed || !strings.Contains(exit.Message, "didn't power off within 1s") {
		t.Errorf("exit %+v", exit)
	}
}

// A machine whose node is drained before its guest has run hasn't shut down: whatever starts machines that fail has to start it again.
func TestEndBeforeStart(t *testing.T) {
	r := newRig(t)
	r.Start(t)
	for !errors.Is(r.sockets.Watch(r.ctx, func(*handover.Status) error { return errSeen }), errSeen) {
		if r.ctx.Err() != nil {
			t.Fatal("the launcher doesn't listen")
		}
	}
	r.Stop(t)
	if exit := r.exit(t); !exit.Failed || exit.Message == "" {
		t.Errorf("exit %+v", exit)
	}
}

func TestMachinesThatCannotBe(t *testing.T) {
	for name, tt := range map[string]struct{ more, want string }{
		"no disk in the volume": {"volumes:\n- name: root\n  persistentVolumeClaim: {claimName: root}\n", "disk root: open"},
		"no copied disk":        {"volumes:\n- name: root\n  containerDisk: {image: registry.example/disk}\n", "disk root:"},
		"no key in the Secret":  {"volumes:\n- name: init\n  cloudInitNoCloud: {secretRef: {name: seed}}\n", "the Secret has no key userdata"},
		"not supported":         {"hostname: \"-\"\n", "spec.hostname"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.hand(t, machine(t, tt.more))
			if exit := r.exit(t); !exit.Failed || !strings.Contains(exit.Message, tt.want) {
				t.Errorf("exit %+v, want %q", exit, tt.want)
			}
		})
	}
}

// A block device that belongs to others, as on a node whose group of disks is another and whose container runtime leaves it at that.
func TestBlockDeviceOfOthers(t *testing.T) {
	r := newRig(t)
	device := r.Path(handover.BlockDevice("root"))
	if err := os.MkdirAll(filepath.Dir(device), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(device, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))); err != nil {
		t.Fatal(err)
	}
	r.hand(t, machine(t, "volumes:\n- name: root\n  persistentVolumeClaim: {claimName: root}\n"))
	if exit := r.exit(t); !exit.Failed || !strings.Contains(exit.Message, "device_ownership_from_security_context") {
		t.Errorf("exit %+v", exit)
	}
}

// An agent of another release may have made other interfaces.
func TestOtherInterfaces(t *testing.T) {
	r := newRig(t)
	vmi := machine(t, "")
	vmi.Spec.Domain.Devices.AutoattachPodInterface = nil
	r.hand(t, vmi)
	if exit := r.exit(t); !exit.Failed || !strings.Contains(exit.Message, "another release") {
		t.Errorf("exit %+v", exit)
	}
}
