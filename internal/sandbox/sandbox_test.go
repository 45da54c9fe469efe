// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/tapir-vm/tapir/internal/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func TestOwnHost(t *testing.T) {
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 1 || links[0].Name != "lo" || links[0].Flags&net.FlagUp == 0 {
		t.Errorf("devices: got %v, want lo alone, up", links)
	}
	for _, dir := range []string{"/run", "/sys/fs/bpf"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			// The kernel puts maps.debug and progs.debug into every BPF file system.
			if filepath.Ext(entry.Name()) != ".debug" && entry.Name() != "netns" {
				t.Errorf("%s: got %s, want nothing in it", dir, entry.Name())
			}
		}
	}
}

func TestFile(t *testing.T) {
	before, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("covered", func(t *testing.T) {
		sandbox.File(t, "/etc/hosts", "192.0.2.7 seven\n")
		if got, err := os.ReadFile("/etc/hosts"); err != nil || string(got) != "192.0.2.7 seven\n" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	if after, err := os.ReadFile("/etc/hosts"); err != nil || string(after) != string(before) {
		t.Errorf("afterwards: got %q, %v", after, err)
	}
}
