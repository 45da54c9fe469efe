// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFiles is how many bytes the files of a disk have together: a ConfigMap or Secret has 1 MiB.
const maxFiles = 4 << 20

// makeFiles makes the drive of a directory's files in dir.
func makeFiles(dir runDir, d Disk) (*drive, error) {
	files, err := readFiles(d.Path)
	if err != nil {
		return nil, err
	}
	return makeISO(dir, d, diskPrefix+d.Name+".iso", d.Label, files)
}

// readFiles returns the files of a directory by name. Where the directory is a volume of Kubernetes, they are symbolic links
// into a directory "..data", which is swapped as a whole when they change: what starts with ".." is not looked at, and links
// are followed, but not out of the directory.
func readFiles(path string) (map[string][]byte, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	files, left := map[string][]byte{}, int64(maxFiles)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") {
			continue
		}
		content, err := readFile(root, e.Name(), left)
		if err != nil {
			return nil, err
		}
		files[e.Name()] = content
		left -= int64(len(content))
	}
	return files, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(root *os.Root, name string, limit int64) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file: a disk of files has no directories", name)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s: the files have more than %d bytes together", name, maxFiles)
	}
	return content, nil
}
