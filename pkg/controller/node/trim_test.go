// SPDX-License-Identifier: Apache-2.0

package node

import (
	"os"
	"testing"
)

// A program goes on without the pages of its file, which come back one by one.
func TestTrim(t *testing.T) {
	before := statusMiB(t, os.Getpid(), "RssFile")
	if err := trim(); err != nil {
		t.Fatal(err)
	}
	if after := statusMiB(t, os.Getpid(), "RssFile"); after > before/2 {
		t.Errorf("%.1f MiB of the program's file are in memory, before %.1f", after, before)
	}
}
