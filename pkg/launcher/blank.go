// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/vm"
)

const (
	// wholeDisk is what the size of a disk that is made is a multiple of, in bytes.
	wholeDisk = 1 << 20
	// tolerance is the share of a claim, in percent, that its file system may have taken for itself: KubeVirt's.
	tolerance = 10
)

// fillBlanks has disks made in claims that are file systems without one, as large as the claim: KubeVirt does, so a new claim is a blank disk.
// A DataVolume that nobody has filled is a mistake.
func fillBlanks(disks []vm.Disk, vmi *kubevirt.VirtualMachineInstance) error {
	claims := map[string]*kubevirt.PersistentVolumeClaimInfo{}
	for _, s := range vmi.Status.VolumeStatus {
		claims[s.Name] = s.PersistentVolumeClaimInfo
	}
	plain := map[string]bool{}
	for _, v := range vmi.Spec.Volumes {
		plain[v.Name] = v.PersistentVolumeClaim != nil
	}
	for i := range disks {
		d, claim := &disks[i], claims[disks[i].Name]
		if !plain[d.Name] || claim == nil || d.ReadOnly {
			continue
		}
		is, err := os.Stat(d.Path)
		halfMade := err == nil && is.Mode().IsRegular() && is.Size() == 0 // by a launcher that was killed
		if !halfMade && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		size, err := blankSize(filepath.Dir(d.Path), claim)
		if err == nil && halfMade {
			err = os.Remove(d.Path)
		}
		if err != nil {
			return fmt.Errorf("disk %s: make one in the empty claim %s: %w", d.Name, claim.ClaimName, err)
		}
		d.Create, d.Bytes = true, size
	}
	return nil
}

// blankSize is what was asked for, which may be less than what there is, or a little more.
func blankSize(dir string, claim *kubevirt.PersistentVolumeClaimInfo) (int64, error) {
	wanted := claim.Capacity[corev1.ResourceStorage]
	if request, ok := claim.Requests[corev1.ResourceStorage]; ok && (wanted.IsZero() || request.Cmp(wanted) < 0) {
		wanted = request
	}
	var room unix.Statfs_t
	if err := unix.Statfs(dir, &room); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	size, free := wanted.Value(), int64(room.Bavail)*room.Bsize
	if size/100*(100-tolerance) > free {
		return 0, fmt.Errorf("it is for %s and has room for %s: give it a larger volume", wanted.String(), resource.NewQuantity(free, resource.BinarySI))
	}
	if size = min(size, free) / wholeDisk * wholeDisk; size == 0 {
		return 0, fmt.Errorf("it has less than %d bytes", wholeDisk)
	}
	return size, nil
}
