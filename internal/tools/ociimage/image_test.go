// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sys/unix"
)

// makeRoot makes a directory to be packed, made at another time than any other.
func makeRoot(t *testing.T, when time.Time) string {
	t.Helper()
	root := t.TempDir()
	err := errors.Join(
		os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755),
		os.WriteFile(filepath.Join(root, "usr/bin/program"), []byte("content"), 0o755),
		os.Symlink("usr/bin", filepath.Join(root, "bin")),
		os.Mkdir(filepath.Join(root, "tmp"), 0o755),
		os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky),
		os.Chtimes(filepath.Join(root, "usr/bin/program"), when, when))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestSameFilesMakeTheSameImage(t *testing.T) {
	var archives [][]byte
	for _, when := range []time.Time{time.Unix(1, 0), time.Unix(1e9, 0)} {
		o := options{root: makeRoot(t, when), output: filepath.Join(t.TempDir(), "image.tar"), reference: "localhost/test:1", user: "107:107"}
		if _, err := o.write(); err != nil {
			t.Fatal(err)
		}
		archive, err := os.ReadFile(o.output)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, archive)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("images of the same files differ")
	}
}

func TestImage(t *testing.T) {
	o := options{
		root: makeRoot(t, time.Now()), output: filepath.Join(t.TempDir(), "image.tar"), reference: "localhost/test:1",
		user: "107:107", entrypoint: []string{"/bin/program", "--flag"}, env: []string{"PATH=/bin"},
	}
	if _, err := o.write(); err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(o.output, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := file.Config
	if c.User != o.user || !slices.Equal(c.Entrypoint, o.entrypoint) || !slices.Equal(c.Env, o.env) || file.Architecture != "amd64" {
		t.Errorf("the image's configuration is %+v", file)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var got []string
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%c %04o %d:%d %s%s", header.Typeflag, header.Mode, header.Uid, header.Gid, header.Name, header.Linkname))
	}
	want := []string{
		"2 0777 0:0 binusr/bin",
		"5 1777 0:0 tmp/",
		"5 0755 0:0 usr/",
		"5 0755 0:0 usr/bin/",
		"0 0755 0:0 usr/bin/program",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the layer has\n%s", strings.Join(got, "\n"))
	}
}

func TestFailedImageLeavesNothing(t *testing.T) {
	root := makeRoot(t, time.Now())
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, o := range []options{
		{root: root, output: filepath.Join(dir, "image.tar"), reference: "localhost/test:1"},
		{root: filepath.Join(root, "missing"), output: filepath.Join(dir, "image.tar"), reference: "localhost/test:1"},
		{root: root, output: filepath.Join(dir, "image.tar"), reference: "not a name"},
	} {
		if _, err := o.write(); err == nil {
			t.Errorf("%+v was made", o)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
