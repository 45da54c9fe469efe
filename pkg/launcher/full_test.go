// SPDX-License-Identifier: Apache-2.0

package launcher_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// A guest fills its volume. It is stopped, which is no end of it: when there is room, it goes on. Until then it tries again in vain,
// which nobody outside is told.
func TestFullVolume(t *testing.T) {
	r := newRig(t)
	volume := filepath.Dir(r.Path(handover.VolumeDisk("data")))
	if err := os.MkdirAll(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", volume, "tmpfs", 0, "size=2m,uid=107,gid=107"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(volume, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := r.Write(handover.VolumeDisk("data"), ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(r.Path(handover.VolumeDisk("data")), 8<<20); err != nil {
		t.Fatal(err)
	}
	r.copy(t, "../../build/guest/disk.qcow2", handover.ContainerDisk("root"))
	vmi := machine(t, `volumes:
- {name: root, containerDisk: {image: guest}}
- {name: data, persistentVolumeClaim: {claimName: data}}
- {name: seed, cloudInitNoCloud: {userData: "#!/bin/sh\ncat /dev/zero >/dev/vdb; sync\n"}}
`, "root", "data", "seed")
	vmi.Spec.Domain.Memory.Guest = ptr.To(resource.MustParse("128Mi"))
	r.hand(t, vmi)
	full := func(s *handover.Status) bool { return s.State == handover.Paused && s.IOError }
	r.wait(t, full)
	const again = 13 * time.Second // until it has tried again, and has been believed if that was all right
	r.stays(t, again, full)
	if err := unix.Mount("", volume, "", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	r.wait(t, func(s *handover.Status) bool { return s.State == handover.Running && !s.IOError })
}

// copy puts a file of this machine into the pod.
func (r *rig) copy(t *testing.T, from, inPod string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatalf("%v: run hack/guest-disk.sh", err)
	}
	defer in.Close()
	if err := r.Write(inPod, ""); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(r.Path(inPod), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
}
