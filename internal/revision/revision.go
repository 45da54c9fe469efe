// SPDX-License-Identifier: Apache-2.0

// Package revision tells which commit a binary was built from.
package revision

import (
	"cmp"
	"runtime/debug"
)

// linked is set by the Makefile: the go command stamps no revision where GOFLAGS forbid it, nor in every work tree.
var linked string

// Get returns git's name of the commit, marked where files had changed, or "unknown".
func Get() string {
	hash, changed := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				hash = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = "-dirty"
			}
		}
	}
	if hash != "" {
		return hash + changed
	}
	return cmp.Or(linked, "unknown")
}
