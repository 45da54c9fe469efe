// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	bpffs    = "/sys/fs/bpf"
	pinRoot  = bpffs + "/tapir"
	stateDir = "/run/tapir/nics"
)

// record is what is remembered of an attached NIC, in stateDir.
type record struct {
	Config    Config            `json:"config"`
	Constants constants         `json:"constants"`
	Programs  string            `json:"programs"` // digest of the BPF code
	MadeTap   bool              `json:"madeTap"`  // Attach made the tap, so Detach removes it
	Sysctls   map[string]string `json:"sysctls"`  // values from before Attach
	Attached  time.Time         `json:"attached"`
	TookMS    float64           `json:"tookMilliseconds"` // the last Attach
}

// key names one NIC on this machine: cookie of the namespace and tap. bpffs allows no dots.
func key(cookie uint64, tap string) string {
	return fmt.Sprintf("%x-%s", cookie, strings.ReplaceAll(tap, ".", "_"))
}

func pinDir(key string) string { return filepath.Join(pinRoot, key) }

func recordPath(key string) string { return filepath.Join(stateDir, key+".json") }

func readRecord(key string) (*record, error) {
	raw, err := os.ReadFile(recordPath(key))
	if err != nil {
		return nil, fmt.Errorf("reading what was attached: %w", err)
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("reading what was attached: %s: %w", recordPath(key), err)
	}
	if r.Constants.Addresses == nil {
		return nil, fmt.Errorf("reading what was attached: %s: it has no addresses", recordPath(key))
	}
	return &r, nil
}

// write replaces the record as a whole, so that a reader or a crash never meets half of it.
func (r *record) write(key string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding what was attached: %w", err)
	}
	tmp := recordPath(key) + ".new"
	if err := os.WriteFile(tmp, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing what was attached: %w", err)
	}
	if err := os.Rename(tmp, recordPath(key)); err != nil {
		return fmt.Errorf("writing what was attached: %w", err)
	}
	return nil
}

// prepareStore makes the directories, and mounts bpffs where no one has.
func prepareStore() error {
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
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return fmt.Errorf("making the directory for runtime files: %w", err)
	}
	return nil
}

// lock keeps two processes from changing datapaths at once. It is released by the returned function, or by death.
func lock() (func(), error) {
	f, err := os.OpenFile(filepath.Join(stateDir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the datapath lock: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("taking the datapath lock: %w", err)
	}
	return func() { f.Close() }, nil
}

// attachedKeys lists what has a record or pins.
func attachedKeys() ([]string, error) {
	seen := map[string]bool{}
	var keys []string
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			keys = append(keys, name)
		}
	}
	for _, dir := range []string{stateDir, pinRoot} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("listing attached NICs: %w", err)
		}
		for _, e := range entries {
			if name, isRecord := strings.CutSuffix(e.Name(), ".json"); isRecord || e.IsDir() {
				add(name)
			}
		}
	}
	return keys, nil
}
