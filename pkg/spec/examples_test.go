// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path/filepath"
	"testing"
)

// The examples are what a new user runs first.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			objects, err := LoadFiles(nil, file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range objects.Machines {
				if _, err := Convert(m, objects); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
