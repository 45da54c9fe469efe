// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestVhost(t *testing.T) {
	dir := t.TempDir()
	there, unloaded := filepath.Join(dir, "there"), filepath.Join(dir, "unloaded")
	// A device number that no driver has (Documentation/admin-guide/devices.txt: 60 is for local use).
	if err := errors.Join(os.WriteFile(there, nil, 0o600), unix.Mknod(unloaded, unix.S_IFCHR|0o600, int(unix.Mkdev(60, 1)))); err != nil {
		t.Fatal(err)
	}
	for device, want := range map[string]int{there: 2, unloaded: 0, filepath.Join(dir, "missing"): 0} {
		files, err := openVhost(device, 2)
		if err != nil || len(files) != want {
			t.Errorf("%s: %d files, %v, want %d", device, len(files), err, want)
		}
		for _, f := range files {
			f.Close()
		}
	}
	if _, err := openVhost(dir, 1); err == nil {
		t.Error("a device that can't be opened is no error")
	}
}
