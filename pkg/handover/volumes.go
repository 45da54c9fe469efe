// SPDX-License-Identifier: Apache-2.0

package handover

import "path/filepath"

// VolumeDir is where a file system volume is mounted: one that holds VolumeDisk, or the directory of a hostDisk, whose
// file keeps its own name.
func VolumeDir(volume string) string { return filepath.Join(VolumesDir, volume) }

// ImageDir is where the image of a containerDisk is mounted when it isn't copied (its disk is then the file that
// DiskCommand would copy, and ContainerDisk isn't there).
func ImageDir(volume string) string { return filepath.Join(ImagesDir, volume) }

// NetworkConfig holds the files of a cloudInitNoCloud's networkDataSecretRef; those of its secretRef are in Config.
func NetworkConfig(volume string) string { return filepath.Join(NetworkConfigDir, volume) }

// Directories of these, as of those in paths.go.
const (
	ImagesDir        = "/var/lib/tapir/images"
	NetworkConfigDir = "/var/lib/tapir/network-config"
)
