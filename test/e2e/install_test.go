// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
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
