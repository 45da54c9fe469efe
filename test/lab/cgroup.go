// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// cgroup is the parent of the nodes' control groups, in every hierarchy.
const cgroup = "tapir-lab"

const cgroupRoot = "/sys/fs/cgroup"

// hierarchies are the roots of the machine's control groups: with v1, one for each controller, and v2's where it is mounted beside
// them.
func hierarchies() ([]string, error) {
	if unified(cgroupRoot) {
		return []string{cgroupRoot}, nil
	}
	files, err := filepath.Glob(filepath.Join(cgroupRoot, "*", "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, file := range files {
		roots = append(roots, filepath.Dir(file))
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("there are no control groups below %s: mount them", cgroupRoot)
	}
	return roots, nil
}

// unified is whether a control group is one of v2.
func unified(path string) bool {
	_, err := os.Stat(filepath.Join(path, "cgroup.controllers"))
	return err == nil
}

// makeCgroups makes a node's control groups. Its kubelet makes those of pods in them; where v1 and v2 are mounted, runc makes
// some of v2 for itself.
func makeCgroups(node string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if unified(root) && root != cgroupRoot {
			continue
		}
		lab := filepath.Join(root, cgroup)
		if err := errors.Join(makeCgroup(lab), makeCgroup(filepath.Join(lab, node))); err != nil {
			return fmt.Errorf("make a control group: %w", err)
		}
	}
	return nil
}

// makeCgroup also gives a group what the kernel doesn't: the controllers of v2, and the processors and memory nodes of v1's cpuset.
func makeCgroup(path string) error {
	parent := filepath.Dir(path)
	if unified(parent) {
		if err := delegate(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if unified(parent) {
		return nil
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(path, name), value, 0)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// delegate has a group's children control what it does itself.
func delegate(path string) error {
	controllers, err := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range bytes.Fields(controllers) {
		if err := os.WriteFile(filepath.Join(path, "cgroup.subtree_control"), append([]byte("+"), controller...), 0); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes a node's control groups, or all nodes' where none is named. No process of theirs may run.
func removeCgroups(node string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		var groups []string
		err := filepath.WalkDir(filepath.Join(root, cgroup, node), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				groups = append(groups, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		slices.Reverse(groups) // children first
		for _, group := range groups {
			err = errors.Join(err, os.Remove(group))
		}
		if err != nil {
			return fmt.Errorf("remove control groups: %w", err)
		}
	}
	return nil
}
