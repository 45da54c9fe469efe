// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

const tapirNamespace = "tapir-system"

// install installs Tapir as a user does, by its chart, and returns when it serves.
func install(ctx context.Context) error {
	tag, err := os.ReadFile("../../build/images/tag")
	if err != nil {
		return fmt.Errorf("%w: run make images", err)
	}
	_, err = cluster.Helm(ctx, "install", "tapir", "../../deploy/charts/tapir", "--namespace="+tapirNamespace, "--create-namespace",
		"--wait", "--timeout="+limit.String(), "--set-string=image.tag="+strings.TrimSpace(string(tag)), "--set=machines.allowEmulation=true")
	if err != nil {
		pods, _ := cluster.Kubectl(ctx, nil, "--namespace="+tapirNamespace, "describe", "pods")
		return fmt.Errorf("install Tapir: %w\n%s", err, pods)
	}
	return nil
}

// The API server must reach the webhooks: a field that isn't supported is refused with its path, whatever the manifest's kind.
func TestAdmission(t *testing.T) {
	s := newSpace(t, "restricted")
	const instance = `
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata: {name: gpu}
spec:
  domain:
    memory: {guest: 128Mi}
    devices: {gpus: [{name: gpu, deviceName: example.com/gpu}]}
`
	_, err := s.tryWith(instance, "apply", "--filename=-")
	if err == nil || !strings.Contains(err.Error(), "spec.domain.devices.gpus") {
		t.Errorf("a GPU: %v", err)
	}
}
