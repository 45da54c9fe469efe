// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	podsDir  = "/run/tapir/pods"
	hostFile = "/run/tapir/host.json"

	scratchFile = "/run/tapir/pods/new" // becomes one of the others; only the holder of the lock has it
)

// lock keeps every other process from making or deleting pods until the returned function is called.
// The kernel releases it when this process dies.
func lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(podsDir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of pods: %w", err)
	}
	dir, err := os.Open(podsDir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of pods: %w", err)
	}
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { dir.Close() }, nil
		}
		// Waiting in flock itself would not end with the context.
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		dir.Close()
		return nil, fmt.Errorf("lock %s: %w", podsDir, err)
	}
}

func (p *Pod) file() string {
	return filepath.Join(podsDir, id(p.Namespace, p.Name)+".json")
}

// records reads every pod that was made, also half-made ones, sorted by namespace and name.
func records() ([]*Pod, error) {
	entries, err := os.ReadDir(podsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var pods []*Pod
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		p := new(Pod)
		err := readJSON(filepath.Join(podsDir, entry.Name()), p)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		pods = append(pods, p)
	}
	slices.SortFunc(pods, func(a, b *Pod) int { return strings.Compare(a.String(), b.String()) })
	return pods, nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s is damaged (%w): delete it, and by hand what it stood for", path, err)
	}
	return nil
}

// writeJSON replaces a file in one step, so that a crash leaves the old content or the new.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(scratchFile, append(data, '\n'), 0o644); err != nil {
		return errors.Join(err, removeFile(scratchFile))
	}
	return os.Rename(scratchFile, path)
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
