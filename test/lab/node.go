// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
)

// files are what a node is made of: the script that is its first process, and the configuration of its programs.
//
//go:embed files
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"join": strings.Join}).ParseFS(files, "files/*"))

// A Node is a machine of the cluster. Its disk outlives its being switched off.
type Node struct {
	name    string
	number  int
	lab     *Lab
	process *process // nil: is off
}

// Name is the node's name in the cluster.
func (n *Node) Name() string { return n.name }

// dir is the node's disk: configuration, and what kubelet, containerd and the CNI plugins keep.
func (n *Node) dir() string { return filepath.Join(n.lab.config.run(), n.name) }

// PowerOn boots the node and returns without waiting for what runs on it.
func (n *Node) PowerOn() error {
	if err := makeCgroups(n.name); err != nil {
		return err
	}
	// The script waits for the end of its input before it starts what needs the network.
	plugged, plug, err := os.Pipe()
	if err != nil {
		return err
	}
	defer plug.Close()
	const namespaces = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	n.process, err = n.lab.start(n.name, plugged, namespaces, "bash", filepath.Join(n.dir(), "node.sh"),
		n.name, n.dir(), n.lab.config.Programs(), n.lab.config.logs(), strings.Join(n.lab.plan.node(n.number), ","))
	plugged.Close()
	if err != nil {
		return err
	}
	if err := n.lab.plug(n); err != nil {
		return errors.Join(err, n.PowerOff())
	}
	return nil
}

// PowerOff cuts the node's power: all its processes, links and mounts are gone at once.
func (n *Node) PowerOff() error {
	if n.process == nil {
		return nil
	}
	loops, err := n.loops(context.Background())
	if killErr := n.process.kill(); killErr != nil {
		return killErr
	}
	n.process = nil
	return errors.Join(err, n.removePort(), detachLoops(loops), removeCgroups(n.name))
}

// Command is a command that runs on the node, which must be on.
func (n *Node) Command(ctx context.Context, line ...string) *exec.Cmd {
	pid := strconv.Itoa(n.process.cmd.Process.Pid)
	return exec.CommandContext(ctx, "nsenter", append([]string{"--all", "--target", pid, "--"}, line...)...)
}

// load adds the images of an OCI archive.
func (n *Node) load(ctx context.Context, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("load an image: %w", err)
	}
	defer file.Close()
	cmd := n.Command(ctx, "ctr", "--namespace=k8s.io", "images", "import", "-")
	cmd.Stdin = file
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load %s into %s: %w: %s", archive, n.name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// install makes the node's disk, with script and configuration.
func (n *Node) install() error {
	if err := os.MkdirAll(n.dir(), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", n.name, err)
	}
	values := struct {
		Name, Cgroup, Certificates string
		Pods, AllPods, Everywhere  []string // networks: the node's pods', all pods', all there is
	}{
		n.name, filepath.Join("/", cgroup, n.name), n.lab.config.certificates(),
		n.lab.plan.nodePods(n.number), n.lab.plan.pods(), n.lab.plan.families("0.0.0.0/0", "::/0"),
	}
	for _, t := range templates.Templates() {
		if t.Name() == "" {
			continue
		}
		file, err := os.Create(filepath.Join(n.dir(), t.Name()))
		if err == nil {
			err = errors.Join(t.Execute(file, values), file.Close())
		}
		if err != nil {
			return fmt.Errorf("install %s: %w", n.name, err)
		}
	}
	return nil
}
