// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// LoadFiles loads files, "-" being stdin. Relative paths in a file are relative to the file's directory, wherever it is
// run from; those in stdin to the working directory.
func LoadFiles(stdin io.Reader, names ...string) (*Objects, error) {
	var sources []Source
	for _, name := range names {
		source := Source{Reader: stdin, Name: "stdin"}
		if name != "-" {
			file, err := os.Open(name)
			if err != nil {
				return nil, fmt.Errorf("open manifest: %w", err)
			}
			defer file.Close()
			source = Source{Reader: file, Name: name}
		}
		dir, err := filepath.Abs(filepath.Dir(name))
		if err != nil {
			return nil, fmt.Errorf("find the directory of %s: %w", name, err)
		}
		source.Dir = dir
		sources = append(sources, source)
	}
	return Load(sources...)
}
