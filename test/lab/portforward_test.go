// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
)

var forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+)`)

// testPortForward fetches a page through kubectl on the machine's loopback.
func (r *rig) testPortForward() {
	config := r.lab.Config()
	pod := r.podOn(r.lab.Nodes()[0].Name())
	cmd := exec.CommandContext(r.ctx, config.program("kubectl"), "--kubeconfig="+config.Kubeconfig(), "port-forward", "--address=127.0.0.1", pod, "0:8080")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait() // killed
	}()
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		r.Fatalf("kubectl says nothing: %v", lines.Err())
	}
	at := forwarding.FindStringSubmatch(lines.Text())
	if at == nil {
		r.Fatalf("kubectl says %q", lines.Text())
	}
	response, err := http.Get("http://" + at[1] + "/")
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || "pod/"+strings.TrimSpace(string(page)) != pod {
		r.Errorf("the page of %s is %q (%v)", pod, page, err)
	}
}
