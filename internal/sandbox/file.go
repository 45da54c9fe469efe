// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// File puts other content over a file of the machine until the test ends. Only a process in a sandbox sees it.
func File(t testing.TB, path, content string) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Fatal("not in a sandbox: call sandbox.Main in TestMain")
	}
	cover := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(cover, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		// /etc/resolv.conf may lead into the /run of the machine, which a sandbox doesn't have.
		target, err := os.Readlink(path)
		if err != nil {
			t.Fatalf("%s can't be covered: %v", path, err)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, nil, 0o644)); err != nil {
			t.Fatalf("make the target of %s: %v", path, err)
		}
	}
	if err := unix.Mount(cover, path, "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("cover %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Errorf("uncover %s: %v", path, err)
		}
	})
}
