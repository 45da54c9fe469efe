// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// MaxNodes is how many nodes there can be.
const MaxNodes = 8

// Config says what lab to make.
type Config struct {
	Dir       string   // has the programs in bin/, and gets log/ and run/
	Nodes     int      // called node1, node2, ...
	DualStack bool     // IPv6 beside IPv4
	Images    []string // OCI archives that each node has from the start
	Log       *slog.Logger
}

// Programs is the directory of kubectl, helm and what else a cluster needs.
func (c *Config) Programs() string { return filepath.Join(c.Dir, "bin") }

// Kubeconfig is a file that makes its reader the cluster's administrator.
func (c *Config) Kubeconfig() string { return filepath.Join(c.Dir, "kubeconfig") }

func (c *Config) program(name string) string { return filepath.Join(c.Programs(), name) }
func (c *Config) logs() string               { return filepath.Join(c.Dir, "log") }
func (c *Config) run() string                { return filepath.Join(c.Dir, "run") }
func (c *Config) certificates() string       { return filepath.Join(c.run(), "pki") }

// sandboxImage is the archive of the image that pods' sandboxes run, which serves tests as a pod too.
func (c *Config) sandboxImage() string { return filepath.Join(c.Dir, "busybox.tar") }

func (c *Config) validate() error {
	if os.Geteuid() != 0 {
		return errors.New("the lab's namespaces and nodes need root: try again with sudo")
	}
	if c.Nodes < 1 || c.Nodes > MaxNodes {
		return fmt.Errorf("%d nodes: from 1 to %d can be", c.Nodes, MaxNodes)
	}
	for _, path := range append([]string{c.program("kubectl"), c.sandboxImage()}, c.Images...) {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: build the lab's programs with hack/lab.sh, Tapir's images with make images", err)
		}
	}
	return nil
}

// prepare makes the directories anew.
func (c *Config) prepare() error {
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return err
	}
	for _, dir := range []string{c.run(), c.logs()} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove an earlier lab's files: %w", err)
		}
	}
	for _, dir := range []string{c.certificates(), c.logs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the lab's directories: %w", err)
		}
	}
	return nil
}
