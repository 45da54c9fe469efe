// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// loops are the loop devices by which the node's kubelet holds the block volumes of pods. They are the machine's, so that they
// outlive the kubelet; only from within the node can one see whose they are, so that those of a node that has ended stay.
func (n *Node) loops(ctx context.Context) ([]string, error) {
	if n.process.hasEnded() {
		return nil, nil
	}
	out, err := n.Command(ctx, "losetup", "--list", "--noheadings", "--output=NAME,BACK-FILE").Output()
	if err != nil {
		return nil, fmt.Errorf("list the loop devices of %s: %w", n.name, err)
	}
	var devices []string
	for line := range strings.Lines(string(out)) {
		device, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(strings.TrimSpace(file), "/var/lib/kubelet/") {
			devices = append(devices, device)
		}
	}
	return devices, nil
}

func detachLoops(devices []string) error {
	for _, device := range devices {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			return fmt.Errorf("detach %s: %w: %s", device, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
