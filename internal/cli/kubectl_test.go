// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeKubectl puts a program in the place of kubectl that notes how it is called; nodes and pods are what the cluster would say.
func fakeKubectl(t *testing.T, machine, agent string) (calls func() []string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$*\" >> " + log + "\ncase \"$*\" in *virtualmachineinstances*) echo '" + machine + "' ;; *'get pods'*) echo '" + agent + "' ;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

func TestKubectlPlugin(t *testing.T) {
	calls := fakeKubectl(t, "default demo node-b", "tapir-agent-x2x4")
	cmd := newPlugin()
	cmd.SetArgs([]string{"drops", "demo", "-n", "default", "--context", "lab", "-o", "json"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	got := calls()
	want := "--context lab exec -n tapir-system tapir-agent-x2x4 -c agent -- /usr/bin/tapir drops default/demo -o json"
	if len(got) != 3 || got[2] != want || !strings.Contains(got[1], "spec.nodeName=node-b") || !strings.HasSuffix(got[0], "-n default") {
		t.Errorf("kubectl was called\n%s", strings.Join(got, "\n"))
	}
}

func TestKubectlPluginRefuses(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'Error from server (NotFound): \"demo\" not found' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for arguments, want := range map[string]string{
		"status":     "name one machine: kubectl tapir status VM",
		"flows a b":  "name one machine: kubectl tapir flows VM",
		"drops demo": "find machine demo, which has to run (-n names another namespace): kubectl: Error from server (NotFound)",
	} {
		cmd := newPlugin()
		cmd.SetArgs(strings.Fields(arguments))
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", arguments, err)
		}
	}
}

func TestKubectlPluginWithoutAgent(t *testing.T) {
	for name, tt := range map[string]struct{ machine, agent, want string }{
		"not scheduled": {"default demo ", "", "on no node yet"},
		"no agent":      {"default demo node-b", "", "no agent runs on node node-b"},
	} {
		fakeKubectl(t, tt.machine, tt.agent)
		cmd := newPlugin()
		cmd.SetArgs([]string{"status", "demo"})
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
