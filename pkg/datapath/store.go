// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	bpffs    = "/sys/fs/bpf"
	pinRoot  = bpffs + "/tapir"
	stateDir = "/run/tapir/nics"
)

// openStore locks the store for the one process that may change datapaths, and makes what is missing of it: the
// directories, and the mount of bpffs. The lock goes by the returned function, or by death.
func openStore() (unlock func(), err error) {
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory for runtime files: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(stateDir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the datapath lock: %w", err)
	}
	if err := flock(f); err != nil {
		return nil, err
	}
	if err := mountStore(); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// lockPatience is far longer than any attach takes, however many wait in line; replaced in tests.
var lockPatience = 30 * time.Second

// flock gives up where a process was stopped while it held the lock. f is closed once nobody waits for it any more.
func flock(f *os.File) error {
	locked := make(chan error, 1)
	go func() {
		var err error
		for {
			if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		locked <- err
	}()
	select {
	case err := <-locked:
		if err != nil {
			f.Close()
			return fmt.Errorf("taking the datapath lock: %w", err)
		}
		return nil
	case <-time.After(lockPatience):
		go func() {
			<-locked
			f.Close()
		}()
		return fmt.Errorf("another process has held %s for %s: `fuser %s` names it", f.Name(), lockPatience, f.Name())
	}
}

func mountStore() error {
	var fsinfo unix.Statfs_t
	if err := unix.Statfs(bpffs, &fsinfo); err != nil {
		return fmt.Errorf("looking for the BPF file system at %s: %w", bpffs, err)
	}
	if fsinfo.Type != unix.BPF_FS_MAGIC {
		if err := unix.Mount("bpf", bpffs, "bpf", 0, "mode=0700"); err != nil {
			return fmt.Errorf("mounting the BPF file system at %s: %w", bpffs, err)
		}
	}
	if err := os.MkdirAll(pinRoot, 0o700); err != nil {
		return fmt.Errorf("making the directory for pins: %w", err)
	}
	return nil
}

// key names one NIC on this machine: cookie of the namespace and tap. bpffs refuses dots, a tap's name has no %.
func key(cookie uint64, tap string) string {
	return fmt.Sprintf("%x-%s", cookie, strings.ReplaceAll(tap, ".", "%2e"))
}

var isKey = regexp.MustCompile(`^[0-9a-f]+-.`)

func cookieOf(key string) string {
	cookie, _, _ := strings.Cut(key, "-")
	return cookie
}

func pinDir(key string) string { return filepath.Join(pinRoot, key) }

// attachedKeys lists what has a record or pins.
func attachedKeys() ([]string, error) {
	keys := map[string]bool{}
	for _, dir := range []string{stateDir, pinRoot} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("listing attached NICs: %w", err)
		}
		for _, e := range entries {
			name, isRecord := strings.CutSuffix(e.Name(), ".json")
			if isKey.MatchString(name) && (isRecord || e.IsDir()) {
				keys[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys)), nil
}
