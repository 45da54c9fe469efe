// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// limit bounds what is waited for, one thing at a time.
const limit = 3 * time.Minute

// A space is a test's namespace.
type space struct {
	*testing.T
	name string
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// newSpace makes a namespace in which pods must keep to a Pod Security Standard: "restricted" as those of VMs do, or less. That it
// can be removed with all that is in it is looked at when all tests have ended.
func newSpace(t *testing.T, standard string) *space {
	t.Helper()
	s := &space{t, notInNames.ReplaceAllString(strings.ToLower(t.Name()), "-")}
	s.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + s.name + ", labels: {pod-security.kubernetes.io/enforce: " + standard + "}}}")
	t.Cleanup(func() {
		if t.Failed() {
			s.describe()
		}
		if _, err := s.try("delete", "namespace", "--wait=false", s.name); err != nil {
			t.Error(err)
		}
	})
	return s
}

// describe prints what may tell why the test has failed.
func (s *space) describe() {
	for _, line := range [][]string{{"get", "all", "--output=wide"}, {"describe", "pods"}, {"get", "events", "--sort-by=.lastTimestamp"}} {
		out, err := s.try(line...)
		s.Logf("kubectl %s:\n%s(%v)", strings.Join(line, " "), out, err)
	}
}

// try runs kubectl in the namespace and returns what it prints.
func (s *space) try(arguments ...string) (string, error) {
	return s.tryWith("", arguments...)
}

func (s *space) tryWith(stdin string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(session, limit)
	defer cancel()
	return cluster.Kubectl(ctx, strings.NewReader(stdin), append([]string{"--namespace=" + s.name}, arguments...)...)
}

// kubectl is what a command prints, which must succeed.
func (s *space) kubectl(arguments ...string) string {
	s.Helper()
	out, err := s.try(arguments...)
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (s *space) apply(manifest string) {
	s.Helper()
	if _, err := s.tryWith(manifest, "apply", "--filename=-"); err != nil {
		s.Fatal(err)
	}
}

// insist applies a manifest again and again until it is taken: the API server may still ask a replica of the webhooks that is gone.
func (s *space) insist(manifest string, arguments ...string) {
	s.Helper()
	for deadline := time.Now().Add(limit); ; {
		_, err := s.tryWith(manifest, append([]string{"apply", "--filename=-"}, arguments...)...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.Fatal(err)
		}
	}
}

// wait is kubectl's: for "condition=Ready", for example, of an object that may still have to be made. It watches.
func (s *space) wait(object, what string) {
	s.Helper()
	if what != "delete" { // for all else kubectl wants an object that is there, which that of a controller may not be yet
		s.kubectl("wait", "--for=create", "--timeout="+limit.String(), object)
	}
	s.kubectl("wait", "--for="+what, "--timeout="+limit.String(), object)
}

// follow runs a command of kubectl that goes on telling, up to the first line with the given words, which it returns.
func (s *space) follow(words string, arguments ...string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(session, limit)
	defer cancel()
	config := cluster.Config()
	cmd := exec.CommandContext(ctx, filepath.Join(config.Programs(), "kubectl"),
		append([]string{"--kubeconfig=" + config.Kubeconfig(), "--namespace=" + s.name}, arguments...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	defer cmd.Wait() // killed
	defer cancel()
	var seen []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), words) {
			return lines.Text()
		}
		seen = append(seen, lines.Text())
	}
	s.Fatalf("kubectl %s has no line with %q:\n%s", strings.Join(arguments, " "), words, strings.Join(seen, "\n"))
	return ""
}
