// SPDX-License-Identifier: Apache-2.0

// Package docs holds the documentation, and this test of what it refers to.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reference is a test as promises.md names it: directory, function and, perhaps, subtest.
var reference = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)(?:/([^`]+))?`")

// Every promise names tests, and they are there.
func TestPromises(t *testing.T) {
	text, err := os.ReadFile("promises.md")
	if err != nil {
		t.Fatal(err)
	}
	promises := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| promise ") {
			continue
		}
		promises++
		tests := reference.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 || strings.Count(line, "`") != 2*len(tests) {
			t.Errorf("a promise without tests, or with something that is none:\n%s", line)
		}
		for _, test := range tests {
			if dir, function, subtest := test[1], test[2], test[3]; !exists(t, dir, function, subtest) {
				t.Errorf("there is no test %s", test[0])
			}
		}
	}
	if promises < 20 {
		t.Errorf("found %d promises only: is the table another?", promises)
	}
}

// exists looks for a test in the sources of a directory, and for the name of its subtest, which may be in another file.
func exists(t *testing.T, dir, function, subtest string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	named, sub := false, subtest == ""
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named = named || strings.Contains(string(source), "\nfunc "+function+"(")
		sub = sub || strings.Contains(string(source), `"`+subtest+`"`)
	}
	return named && sub
}
