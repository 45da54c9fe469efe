// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

const (
	sector   = 2048 // of a CD-ROM, in bytes
	maxLabel = 32   // ECMA-119 section 8.4.8
)

// writeISO writes ISO 9660 with Rock Ridge and Joliet names, with the given files in its root.
func writeISO(out *os.File, label string, files map[string][]byte) error {
	workspace, err := os.MkdirTemp("", "tapir-iso-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(workspace)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(workspace, name), content, 0o600); err != nil {
			return err
		}
	}
	iso, err := iso9660.Create(file.New(out, false), 0, 0, sector, workspace)
	if err != nil {
		return err
	}
	if err := iso.Finalize(iso9660.FinalizeOptions{RockRidge: true, Joliet: true, VolumeIdentifier: label}); err != nil {
		return err
	}
	// The library leaves the last sector short; a disk has whole ones.
	info, err := out.Stat()
	if err != nil {
		return err
	}
	return out.Truncate((info.Size() + sector - 1) / sector * sector)
}
