// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// format is how the bytes of a disk image are laid out; QEMU is always told.
type format string

const (
	raw   format = "raw"
	qcow2 format = "qcow2"
)

// image is an image file as its header describes it.
type image struct {
	format format
	bytes  int64 // what the guest sees
}

// qcow2Header is the start of a qcow2 image: QEMU's docs/interop/qcow2.txt, big-endian.
type qcow2Header struct {
	Magic             [4]byte
	Version           uint32
	BackingFileOffset uint64
	BackingFileSize   uint32
	ClusterBits       uint32
	Size              uint64
	CryptMethod       uint32
	L1Size            uint32
	L1TableOffset     uint64
	RefcountOffset    uint64
	RefcountClusters  uint32
	Snapshots         uint32
	SnapshotsOffset   uint64
	Incompatible      uint64 // from version 3 on
}

const externalDataFile = 1 << 2 // of qcow2Header.Incompatible

// readImage says what an image is, by its header. An image that would have QEMU open other files is an error.
func readImage(f *os.File) (image, error) {
	var h qcow2Header
	err := binary.Read(io.NewSectionReader(f, 0, int64(binary.Size(h))), binary.BigEndian, &h)
	short := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case err != nil && !short:
		return image{}, err
	case short || h.Magic != [4]byte{'Q', 'F', 'I', 0xfb}:
		return readRaw(f)
	case h.Version != 2 && h.Version != 3:
		return image{}, fmt.Errorf("qcow2 version %d is unknown", h.Version)
	case h.BackingFileOffset != 0:
		return image{}, errors.New("it refers to a backing file; flatten it: qemu-img convert -O qcow2")
	case h.Version == 3 && h.Incompatible&externalDataFile != 0:
		return image{}, errors.New("it keeps its data in another file; join them: qemu-img convert -O qcow2")
	case h.Size == 0 || h.Size > 1<<62:
		return image{}, fmt.Errorf("a qcow2 header that claims %d bytes", h.Size)
	}
	return image{qcow2, int64(h.Size)}, nil
}

// readRaw takes a file or block device for what it is, byte by byte.
func readRaw(f *os.File) (image, error) {
	n, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return image{}, err
	}
	if n == 0 {
		return image{}, errors.New("it is empty")
	}
	return image{raw, n}, nil
}

// readHostDisk says what a disk is that a guest may have written to. So its name decides, which the guest can't change:
// KubeVirt's hostDisk is raw, and a header in its first bytes would be the guest's own doing.
func readHostDisk(f *os.File) (image, error) {
	if filepath.Ext(f.Name()) != ".qcow2" {
		return readRaw(f)
	}
	img, err := readImage(f)
	if err == nil && img.format != qcow2 {
		err = errors.New("it has the name of a qcow2 image, but isn't one")
	}
	return img, err
}
