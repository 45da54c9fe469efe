// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// seedLabel is how cloud-init finds a seed: https://docs.cloud-init.io, datasource NoCloud.
const seedLabel = "cidata"

// sector is that of a CD-ROM, in bytes.
const sector = 2048

// makeSeed writes a NoCloud seed into dir and opens it to be read: ISO 9660 with Rock Ridge and Joliet names.
func makeSeed(dir runDir, c *CloudInit) (*os.File, error) {
	out, err := dir.create(seedFile, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := writeSeed(out, c); err != nil {
		return nil, fmt.Errorf("write the cloud-init seed: %w", err)
	}
	return os.Open(dir.path(seedFile))
}

func writeSeed(out *os.File, c *CloudInit) error {
	workspace, err := os.MkdirTemp("", "tapir-seed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(workspace)
	for name, text := range map[string]string{
		"meta-data":      c.MetaData,
		"user-data":      c.UserData,
		"network-config": c.NetworkData,
	} {
		// A seed without user-data or meta-data is none, and an empty network-config would be one.
		if text == "" && name == "network-config" {
			continue
		}
		if err := os.WriteFile(filepath.Join(workspace, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	seed, err := iso9660.Create(file.New(out, false), 0, 0, sector, workspace)
	if err != nil {
		return err
	}
	if err := seed.Finalize(iso9660.FinalizeOptions{RockRidge: true, Joliet: true, VolumeIdentifier: seedLabel}); err != nil {
		return err
	}
	// The library leaves the last sector short; a disk has whole ones.
	info, err := out.Stat()
	if err != nil {
		return err
	}
	return out.Truncate((info.Size() + sector - 1) / sector * sector)
}
