// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Prepare makes the directory for [Report.Save], and says before a run whether it can be written to.
func Prepare(directory string) error {
	err := os.MkdirAll(directory, 0o755)
	if err == nil {
		err = unix.Access(directory, unix.W_OK)
	}
	if err != nil {
		return fmt.Errorf("keeping results in %s: %w: choose another directory", directory, err)
	}
	return nil
}

// Save writes the report into a directory as DATE.json, DATE.csv and DATE.html, with "-partial" after the date where it
// is. It returns the path without the extension.
func (r *Report) Save(directory string) (stem string, err error) {
	name := r.Started.Format("2006-01-02T150405Z")
	if r.Partial != "" {
		name += "-partial"
	}
	stem = filepath.Join(directory, name)
	var errs []error
	for extension, write := range map[string]func(io.Writer) error{
		".json": r.WriteJSON, ".csv": r.WriteCSV, ".html": r.WriteHTML,
	} {
		var b bytes.Buffer
		err := write(&b)
		if err == nil {
			err = os.WriteFile(stem+extension, b.Bytes(), 0o644)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return stem, fmt.Errorf("keeping results: %w", err)
	}
	return stem, nil
}
