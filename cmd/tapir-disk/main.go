// SPDX-License-Identifier: Apache-2.0

// Tapir-disk copies the disk of a virtual machine out of the container image that it runs in. It is static and uses nothing of that
// image; "install" puts it where such a container finds it.
//
//	tapir-disk install DIRECTORY
//	tapir-disk copy DESTINATION [PATH]
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tapir-vm/tapir/pkg/containerdisk"
)

// terminationLog is where the kubelet takes a container's last words from.
const terminationLog = "/dev/termination-log"

func main() {
	if err := run(os.Args[1:]); err != nil {
		words := fmt.Sprintf("tapir-disk: %v\n", err)
		fmt.Fprint(os.Stderr, words)
		if file, err := os.OpenFile(terminationLog, os.O_WRONLY, 0); err == nil {
			file.WriteString(words)
			file.Close()
		}
		os.Exit(1)
	}
}

const usage = "usage: tapir-disk install DIRECTORY | tapir-disk copy DESTINATION [PATH]"

func run(args []string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	switch {
	case len(args) == 2 && args[0] == "install":
		return install(args[1], log)
	case len(args) == 2 && args[0] == "copy":
		return copyDisk(args[1], "", log)
	case len(args) == 3 && args[0] == "copy":
		return copyDisk(args[1], args[2], log)
	case len(args) == 1 && args[0] == "--help":
		fmt.Println(usage)
		return nil
	}
	return errors.New(usage)
}

// install copies this very program.
func install(dir string, log *slog.Logger) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	to := filepath.Join(dir, filepath.Base(self))
	if err := containerdisk.Copy(from, to, log); err != nil {
		return err
	}
	return os.Chmod(to, 0o755)
}

func copyDisk(to, path string, log *slog.Logger) error {
	root, err := os.OpenRoot("/")
	if err != nil {
		return err
	}
	defer root.Close()
	found, err := containerdisk.Find(root, path)
	if err != nil {
		return err
	}
	disk, err := root.Open(found)
	if err != nil {
		return fmt.Errorf("open the disk of the image: %w", err)
	}
	defer disk.Close()
	return containerdisk.Copy(disk, to, log)
}
