// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func header(change func(*qcow2Header)) []byte {
	h := qcow2Header{Magic: [4]byte{'Q', 'F', 'I', 0xfb}, Version: 3, ClusterBits: 16, Size: 1 << 30}
	change(&h)
	var b bytes.Buffer
	binary.Write(&b, binary.BigEndian, h)
	return append(b.Bytes(), make([]byte, 512)...)
}

func openTemp(t testing.TB, name string, content []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestReadImage(t *testing.T) {
	plain := header(func(*qcow2Header) {})
	for _, tc := range []struct {
		name    string
		content []byte
		want    image
		problem string
	}{
		{"qcow2", plain, image{qcow2, 1 << 30}, ""},
		{"qcow2 version 2", header(func(h *qcow2Header) { h.Version, h.Incompatible = 2, externalDataFile }), image{qcow2, 1 << 30}, ""},
		{"raw", make([]byte, 4096), image{raw, 4096}, ""},
		{"raw, one byte", []byte{'Q'}, image{raw, 1}, ""},
		{"half a header", plain[:40], image{raw, 40}, ""},
		{"empty", nil, image{}, "empty"},
		{"backing file", header(func(h *qcow2Header) { h.BackingFileOffset = 512 }), image{}, "backing file"},
		{"data file", header(func(h *qcow2Header) { h.Incompatible = externalDataFile }), image{}, "another file"},
		{"version 4", header(func(h *qcow2Header) { h.Version = 4 }), image{}, "version 4"},
		{"no size", header(func(h *qcow2Header) { h.Size = 0 }), image{}, "0 bytes"},
		{"negative size", header(func(h *qcow2Header) { h.Size = 1 << 63 }), image{}, "bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readImage(openTemp(t, "disk", tc.content))
			if tc.problem == "" && (err != nil || got != tc.want) {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
			if tc.problem != "" && (err == nil || !strings.Contains(err.Error(), tc.problem)) {
				t.Errorf("got %v, want an error about %q", err, tc.problem)
			}
		})
	}
}

// A guest can write a header into its raw disk; a name it can't change.
func TestHostDiskIsWhatItsNameSays(t *testing.T) {
	qcow := header(func(*qcow2Header) {})
	if got, err := readHostDisk(openTemp(t, "disk.img", qcow)); err != nil || got != (image{raw, int64(len(qcow))}) {
		t.Errorf("raw disk with a qcow2 header: got %v, %v", got, err)
	}
	if got, err := readHostDisk(openTemp(t, "disk.qcow2", qcow)); err != nil || got.format != qcow2 {
		t.Errorf("qcow2 disk: got %v, %v", got, err)
	}
	if got, err := readHostDisk(openTemp(t, "disk.qcow2", make([]byte, 512))); err == nil {
		t.Errorf("raw disk in a qcow2's name: got %v", got)
	}
}

func FuzzReadImage(f *testing.F) {
	f.Add(header(func(*qcow2Header) {}))
	f.Add([]byte("QFI\xfb"))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := readImage(openTemp(t, "disk", content))
		if err == nil && got.bytes <= 0 {
			t.Errorf("got %v", got)
		}
	})
}
