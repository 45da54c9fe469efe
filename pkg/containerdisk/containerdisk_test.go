// SPDX-License-Identifier: Apache-2.0

package containerdisk

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

var quiet = slog.New(slog.DiscardHandler)

func TestFind(t *testing.T) {
	file := func(name string) func(string) error {
		return func(root string) error {
			path := filepath.Join(root, name)
			return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644))
		}
	}
	link := func(to string) func(string) error {
		return func(root string) error {
			return errors.Join(os.MkdirAll(filepath.Join(root, "disk"), 0o755), os.Symlink(to, filepath.Join(root, "disk/a.img")))
		}
	}
	tests := map[string]struct {
		make []func(string) error
		path string
		want string // "" is ErrNoDisk
	}{
		"the only one":        {[]func(string) error{file("disk/fedora.qcow2")}, "", "disk/fedora.qcow2"},
		"hidden files aside":  {[]func(string) error{file("disk/a.img"), file("disk/.keep")}, "", "disk/a.img"},
		"named":               {[]func(string) error{file("disk/a.img"), file("images/b.img")}, "/images/b.img", "images/b.img"},
		"a link in the image": {[]func(string) error{file("data/a"), link("../data/a")}, "", "disk/a.img"},
		"no directory":        {nil, "", ""},
		"nothing":             {[]func(string) error{func(root string) error { return os.Mkdir(filepath.Join(root, "disk"), 0o755) }}, "", ""},
		"two":                 {[]func(string) error{file("disk/a.img"), file("disk/b.img")}, "", ""},
		"a directory":         {[]func(string) error{file("disk/a/b")}, "", ""},
		"named, missing":      {[]func(string) error{file("disk/a.img")}, "/disk/b.img", ""},
		"named, a directory":  {[]func(string) error{file("disk/a.img")}, "/disk", ""},
		"a file for /disk":    {[]func(string) error{file("disk")}, "", ""},
		"a link out of it":    {[]func(string) error{link("/etc/passwd")}, "", ""},
		"a way out of it":     {nil, "/../../etc/passwd", ""},
		"a FIFO": {[]func(string) error{func(root string) error {
			return errors.Join(os.Mkdir(filepath.Join(root, "disk"), 0o755), syscall.Mkfifo(filepath.Join(root, "disk/a"), 0o644))
		}}, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tt.make {
				if err := f(dir); err != nil {
					t.Fatal(err)
				}
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			got, err := Find(root, tt.path)
			if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, ErrNoDisk) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestCopy(t *testing.T) {
	const size = 3<<20 + 5
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	f, err := os.Create(source)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("middle"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "disks", "root", "disk.img")
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to+".part", make([]byte, size+9), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := Copy(f, to, quiet); err != nil {
		t.Fatal(err)
	}
	want, _ := os.ReadFile(source)
	got, err := os.ReadFile(to)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy differs (%v)", err)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(to, &stat); err != nil || stat.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes are on disk, of %d with holes (%v)", stat.Blocks*512, size, err)
	}
	if _, err := os.Stat(to + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

// A copy that fails leaves nothing.
func TestCopyToNowhere(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("disk"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Copy(f, filepath.Join(source, "disk.img"), quiet); err == nil {
		t.Error("copied below a file")
	}
	to := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(to, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Copy(f, to, quiet); err == nil {
		t.Error("copied over a directory")
	}
	if _, err := os.Stat(to + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}
