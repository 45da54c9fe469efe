// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// mounted makes a directory as Kubernetes mounts a ConfigMap.
func mounted(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "..2026_11_23")
	err := errors.Join(os.Mkdir(data, 0o755), os.Symlink("..2026_11_23", filepath.Join(dir, "..data")))
	for name, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(data, name), []byte(content), 0o644), os.Symlink("..data/"+name, filepath.Join(dir, name)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFilesDisk(t *testing.T) {
	t.Parallel()
	for _, bus := range []string{"virtio", "scsi"} {
		t.Run(bus, func(t *testing.T) {
			t.Parallel()
			c := guest.Config(t)
			c.Disks = []vm.Disk{{Name: "config", Source: vm.Files, Bus: bus, Label: "settings", Path: mounted(t, map[string]string{
				"a.conf": "one\n", "A_Name-that.is-longer_than_8.3": "two\n",
			})}}
			g := guest.Boot(t, c)
			device := "/dev/vda"
			if bus != "virtio" {
				device = "/dev/sda"
			}
			g.Run("mkdir -p /mnt && mount -t iso9660 -o ro %s /mnt", device)
			if got := g.Run("cd /mnt && ls -1 && cat *"); got != "A_Name-that.is-longer_than_8.3\na.conf\ntwo\none" {
				t.Errorf("got %q", got)
			}
			if got := g.Run("dd if=%s bs=1 skip=32808 count=8 2>/dev/null", device); !strings.EqualFold(got, "settings") { // ECMA-119, 8.4
				t.Errorf("got %q", got)
			}
		})
	}
}
