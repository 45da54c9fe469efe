// SPDX-License-Identifier: Apache-2.0

package containerdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// directory is where an image has its disk.
const directory = "disk"

// maxNames bounds what is listed of a directory with more files than one.
const maxNames = 16

// ErrNoDisk says that an image doesn't hold the one disk that it should.
var ErrNoDisk = errors.New("the image is no containerDisk")

// Find returns the path, relative to root, of an image's disk. path is where the manifest says it is; "" looks for the only file under
// /disk. Returns an error wrapping ErrNoDisk when there is none, or more than one.
func Find(root *os.Root, path string) (string, error) {
	if path = strings.TrimLeft(path, "/"); path == "" {
		return findOnly(root)
	}
	info, err := root.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: it has no /%s: see containerDisk.path", ErrNoDisk, path)
	case err != nil:
		return "", fmt.Errorf("%w: look for /%s: %w", ErrNoDisk, path, err)
	case info.IsDir():
		return "", fmt.Errorf("%w: /%s is a directory: containerDisk.path names the disk in it", ErrNoDisk, path)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%w: /%s is no file", ErrNoDisk, path)
	}
	return path, nil
}

func findOnly(root *os.Root) (string, error) {
	dir, err := root.Open(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: it has no directory /disk: put the disk there, or say where it is by containerDisk.path", ErrNoDisk)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoDisk, err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxNames)
	if len(names) == 0 {
		return "", fmt.Errorf("%w: nothing is in /disk (%w)", ErrNoDisk, err)
	}
	var disks []string
	for _, name := range names {
		if !strings.HasPrefix(name, ".") { // what overlay file systems and editors leave
			disks = append(disks, name)
		}
	}
	if len(disks) != 1 {
		return "", fmt.Errorf("%w: %d files are in /disk (%.200s): leave one, or name it by containerDisk.path", ErrNoDisk, len(disks), strings.Join(disks, ", "))
	}
	return Find(root, directory+"/"+disks[0])
}
