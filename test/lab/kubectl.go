// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Kubectl runs kubectl as the cluster's administrator and returns what it prints. An error has what it says.
func (l *Lab) Kubectl(ctx context.Context, stdin io.Reader, arguments ...string) (string, error) {
	return l.run(ctx, stdin, "kubectl", arguments)
}

// Helm runs helm as the cluster's administrator and returns what it prints. An error has what it says.
func (l *Lab) Helm(ctx context.Context, arguments ...string) (string, error) {
	return l.run(ctx, nil, "helm", arguments)
}

func (l *Lab) run(ctx context.Context, stdin io.Reader, program string, arguments []string) (string, error) {
	cmd := exec.CommandContext(ctx, l.config.program(program), append([]string{"--kubeconfig=" + l.config.Kubeconfig()}, arguments...)...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", program, strings.Join(arguments, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// bootstrap makes the cluster usable: the nodes' kube-proxies may read Services, nodes are ready, pods find their service account.
func (l *Lab) bootstrap(ctx context.Context) error {
	lines := [][]string{{"create", "clusterrolebinding", "kube-proxy", "--clusterrole=system:node-proxier", "--user=system:kube-proxy"}}
	for _, n := range l.nodes {
		lines = append(lines,
			[]string{"wait", waitLimit, "--for=create", "node/" + n.name},
			[]string{"wait", waitLimit, "--for=condition=Ready", "node/" + n.name})
	}
	lines = append(lines, []string{"wait", waitLimit, "--for=create", "--namespace=default", "serviceaccount/default"})
	for _, line := range lines {
		if _, err := l.Kubectl(ctx, nil, line...); err != nil {
			return err
		}
	}
	return nil
}

// waitLimit is longer than the lab's own.
const waitLimit = "--timeout=1h"
