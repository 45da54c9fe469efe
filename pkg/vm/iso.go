// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

const (
	sector   = 2048 // of a CD-ROM, in bytes
	maxLabel = 32   // ECMA-119 section 8.4.8
)

// makeISO makes a drive in dir: ISO 9660 with Rock Ridge and Joliet names, with the given files in its root. It is read-only, except
// where the bus has no such disks: a guest that writes to it there harms nobody else.
func makeISO(dir runDir, d Disk, name, label string, files map[string][]byte) (*drive, error) {
	out, err := dir.create(name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := writeISO(dir, out, label, files); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	d.ReadOnly = d.CDROM || d.Bus != "sata"
	mode := os.O_RDWR
	if d.ReadOnly {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(dir.path(name), mode, 0)
	if err != nil {
		return nil, err
	}
	return &drive{Disk: d, file: f, format: raw}, nil
}

func writeISO(dir runDir, out *os.File, label string, files map[string][]byte) error {
	// The library reads a directory. It is made in ours, for a launcher may have no other that it can write to.
	workspace, err := os.MkdirTemp(string(dir), workspacePrefix)
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
