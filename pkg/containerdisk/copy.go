// SPDX-License-Identifier: Apache-2.0

package containerdisk

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// progressInterval is how often a copy that takes long tells how far it is.
const progressInterval = 5 * time.Second

// chunk is what is copied at a time, in bytes.
const chunk = 64 << 20

// Copy copies a file to a path whose directory it makes. There is nothing under that path until all of it is there. What a
// copy that was killed left is replaced.
func Copy(from *os.File, to string, log *slog.Logger) (err error) {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o770); err != nil {
		return fmt.Errorf("make the disk's directory: %w", err)
	}
	part := to + ".part"
	out, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o660)
	if err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(part)
		}
	}()
	defer out.Close()
	if err := copyData(from, out, info.Size(), log); err != nil {
		return fmt.Errorf("copy %d bytes of the disk: %w", info.Size(), err)
	}
	if err := out.Truncate(info.Size()); err != nil { // a hole at the end
		return fmt.Errorf("make the copy as large as the disk: %w", err)
	}
	if err := os.Rename(part, to); err != nil {
		return fmt.Errorf("put the copy in its place: %w", err)
	}
	return nil
}

// copyData copies what isn't a hole. The kernel does it, and shares the blocks where the file system can.
func copyData(from, to *os.File, size int64, log *slog.Logger) error {
	told := time.Now()
	for at := int64(0); at < size; {
		start, err := from.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			return nil // only a hole is left
		}
		if err != nil {
			start = at // a file system without holes
		}
		end, err := from.Seek(start, seekHole)
		if err != nil {
			end = size
		}
		end = min(end, start+chunk)
		if _, err := from.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := to.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(to, from, end-start); err != nil {
			return err
		}
		if at = end; time.Since(told) > progressInterval {
			told = time.Now()
			log.Info("copying the disk", "done", at, "of", size)
		}
	}
	return nil
}

// SEEK_DATA and SEEK_HOLE: lseek(2).
const (
	seekData = 3
	seekHole = 4
)
