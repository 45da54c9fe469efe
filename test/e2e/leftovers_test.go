// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// onNode lists what a node has of machines: their datapaths' pins and records, taps, launchers' sockets, and QEMU.
const onNode = `
	find /sys/fs/bpf/tapir /run/tapir/nics -mindepth 1 -maxdepth 1 ! -name .lock 2>/dev/null
	for netns in /run/netns/*; do nsenter --net="$netns" ip -oneline link show type tun; done
	find /var/lib/kubelet/pods '(' -name api.sock -o -name handover.sock ')' 2>/dev/null
	pgrep -l qemu-system
	true`

// inCluster are the objects that machines have.
var inCluster = [][]string{
	{"get", "vm,vmi,poddisruptionbudgets", "--all-namespaces", "--selector=!app.kubernetes.io/part-of", "--output=name"},
	{"get", "pods", "--all-namespaces", "--selector=kubevirt.io=virt-launcher", "--output=name"},
	{"get", "leases", "--all-namespaces", "--selector=tapir-vm.io/mac", "--output=name"},
}

// checkNothingLeft waits until nothing is left of the tests' machines, now that their namespaces are deleted, and returns an error
// that lists what is.
func checkNothingLeft(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		left, err := leftovers(ctx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("left of machines that are gone:\n%s", strings.Join(left, "\n"))
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(time.Second):
		}
	}
}

func leftovers(ctx context.Context) ([]string, error) {
	var left []string
	for _, line := range inCluster {
		out, err := cluster.Kubectl(ctx, nil, line...)
		if err != nil {
			return nil, err
		}
		left = append(left, strings.Fields(out)...)
	}
	for _, n := range cluster.Nodes() {
		out, err := n.Command(ctx, "bash", "-c", onNode).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w: %s", n.Name(), err, out)
		}
		for line := range strings.Lines(string(out)) {
			left = append(left, n.Name()+": "+strings.TrimSpace(line))
		}
	}
	return left, nil
}
