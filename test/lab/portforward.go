// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

var forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+)`)

// PortForward has kubectl carry connections from the machine's loopback to a port of a pod, given as kubectl wants it, until stop is
// called. Returns where to connect to.
func (l *Lab) PortForward(ctx context.Context, namespace, pod string, port int) (address string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, l.config.program("kubectl"), "--kubeconfig="+l.config.Kubeconfig(), "--namespace="+namespace,
		"port-forward", "--address=127.0.0.1", pod, fmt.Sprintf("0:%d", port))
	var problem strings.Builder
	cmd.Stderr = &problem
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("forward a port: %w", err)
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait() // killed
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	at := forwarding.FindStringSubmatch(line)
	if at == nil {
		stop()
		return "", nil, fmt.Errorf("forward port %d of %s: kubectl says %q", port, pod, strings.TrimSpace(line+problem.String()))
	}
	return at[1], stop, nil
}
