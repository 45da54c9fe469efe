// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// A volume as the kubelet makes it: names are links into a directory behind a link.
func configVolume(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "..2026")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..2026", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(data, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("..data/"+name, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFiles(t *testing.T) {
	want := map[string]string{"app.conf": "a=b\n", "tls.key": "secret"}
	drive, err := makeFiles(runDir(t.TempDir()), Disk{Name: "config", Path: configVolume(t, want), Label: "cfg"})
	if err != nil {
		t.Fatal(err)
	}
	defer drive.close()
	fs, err := iso9660.Read(file.New(drive.file, true), 0, 0, sector)
	if err != nil {
		t.Fatal(err)
	}
	if label := strings.TrimRight(fs.Label(), "\x00"); label != "cfg" {
		t.Errorf("the label is %q", label)
	}
	entries, err := fs.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := fs.ReadFile(e.Name())
		if err != nil || string(content) != want[e.Name()] {
			t.Errorf("%s has %q (%v), want %q", e.Name(), content, err, want[e.Name()])
		}
		delete(want, e.Name())
	}
	if len(want) > 0 {
		t.Errorf("%v are missing", want)
	}
}

func TestFilesRefused(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"escape":    func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "x")) },
		"directory": func(dir string) error { return os.Mkdir(filepath.Join(dir, "x"), 0o755) },
		"size": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "x"), bytes.Repeat([]byte("x"), maxFiles+1), 0o644)
		},
		"missing": os.RemoveAll,
	} {
		dir := configVolume(t, map[string]string{"a": "b"})
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if drive, err := makeFiles(runDir(t.TempDir()), Disk{Name: "a", Path: dir}); err == nil {
			drive.close()
			t.Errorf("%s is accepted", name)
		}
	}
}
