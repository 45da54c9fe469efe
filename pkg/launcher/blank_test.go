// SPDX-License-Identifier: Apache-2.0

package launcher_test

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// emptyClaim gives a machine a claim of a size, and the pod what is mounted of it.
func (r *rig) emptyClaim(t *testing.T, source, size string) *kubevirt.VirtualMachineInstance {
	t.Helper()
	dir := r.Path(handover.VolumeDir("data"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, handover.UID, handover.GID); err != nil {
		t.Fatal(err)
	}
	vmi := machine(t, "volumes:\n- {name: data, "+source+"}\n")
	vmi.Status.VolumeStatus = []kubevirt.VolumeStatus{{Name: "data", PersistentVolumeClaimInfo: &kubevirt.PersistentVolumeClaimInfo{
		ClaimName: "claim", Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)},
		Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("3000k")},
	}}}
	return vmi
}

// An empty claim becomes a blank disk of the size that was asked for, in whole MiB, which is found again.
func TestEmptyClaim(t *testing.T) {
	r := newRig(t)
	disk := r.Path(handover.VolumeDisk("data"))
	r.hand(t, r.emptyClaim(t, "persistentVolumeClaim: {claimName: claim}", "4Mi"))
	r.wait(t, state(handover.Running))
	if info, err := os.Stat(disk); err != nil || info.Size() != 2<<20 || info.Mode().Perm() != 0o600 {
		t.Fatalf("the disk: %v (%v)", info, err)
	}
	r.Stop(t)
	r.exit(t)
	if err := os.Truncate(disk, 1<<20); err != nil { // as a sign
		t.Fatal(err)
	}
	next := newRig(t)
	vmi := next.emptyClaim(t, "persistentVolumeClaim: {claimName: claim}", "4Mi")
	if err := os.Rename(disk, next.Path(handover.VolumeDisk("data"))); err != nil {
		t.Fatal(err)
	}
	next.hand(t, vmi)
	next.wait(t, state(handover.Running))
	if info, err := os.Stat(next.Path(handover.VolumeDisk("data"))); err != nil || info.Size() != 1<<20 {
		t.Errorf("the disk that was there: %v (%v)", info, err)
	}
}

// A launcher that was killed while it made the disk leaves one without size: it is made again.
func TestHalfMadeDisk(t *testing.T) {
	r := newRig(t)
	vmi := r.emptyClaim(t, "persistentVolumeClaim: {claimName: claim}", "4Mi")
	if err := r.Write(handover.VolumeDisk("data"), ""); err != nil {
		t.Fatal(err)
	}
	r.hand(t, vmi)
	r.wait(t, state(handover.Running))
	if info, err := os.Stat(r.Path(handover.VolumeDisk("data"))); err != nil || info.Size() != 2<<20 {
		t.Errorf("the disk: %v (%v)", info, err)
	}
}

// Where no disk may or can be made, the machine fails, and nothing is left in the claim.
func TestClaimWithoutDisk(t *testing.T) {
	for name, tt := range map[string]struct{ source, size, want string }{
		"to be read only": {"persistentVolumeClaim: {claimName: claim, readOnly: true}", "4Mi", "no such file"},
		"to be filled":    {"dataVolume: {name: claim}", "4Mi", "no such file"},
		"without room":    {"persistentVolumeClaim: {claimName: claim}", "1Ei", "it is for 1Ei and has room for"},
		"too small":       {"persistentVolumeClaim: {claimName: claim}", "1k", "less than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			vmi := r.emptyClaim(t, tt.source, tt.size)
			if tt.size == "1Ei" {
				vmi.Status.VolumeStatus[0].PersistentVolumeClaimInfo.Requests = nil
			}
			if strings.Contains(tt.source, "readOnly") {
				vmi.Spec.Domain.Devices.Disks = []kubevirt.Disk{{Name: "data", DiskDevice: kubevirt.DiskDevice{CDRom: &kubevirt.CDRomTarget{}}}}
			}
			r.hand(t, vmi)
			if exit := r.exit(t); !exit.Failed || !strings.Contains(exit.Message, "disk data: ") || !strings.Contains(exit.Message, tt.want) {
				t.Errorf("exit %+v, want %q", exit, tt.want)
			}
			if _, err := os.Stat(r.Path(handover.VolumeDisk("data"))); err == nil {
				t.Error("there is a disk")
			}
		})
	}
}
