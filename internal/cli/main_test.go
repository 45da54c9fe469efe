// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/sandbox"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// asTapir makes the test binary the tapir command.
const asTapir = "TAPIR_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asTapir) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	sandbox.Main(m)
}

// command prepares a tapir command as a process of its own.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...) // clean-up uses it, when the test's context has ended
	cmd.Env = append(os.Environ(), asTapir+"=1")
	return cmd
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

func run(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %q: %v", cmd.Args, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// tapir runs a command that must succeed, and returns what it printed.
func tapir(t testing.TB, args ...string) string {
	t.Helper()
	r := run(t, command(args...))
	if r.code != 0 {
		t.Fatalf("tapir %s: exit code %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// fails checks that a command ends with 1 and one line that says all of says, and leaves nothing behind.
func fails(t *testing.T, cmd *exec.Cmd, says ...string) {
	t.Helper()
	if _, err := datapath.Sweep(); err != nil { // makes the directories that stay
		t.Fatal(err)
	}
	leftovers.Check(t)
	r := run(t, cmd)
	if r.code != 1 {
		t.Errorf("exit code %d, want 1", r.code)
	}
	line, rest, _ := strings.Cut(r.stderr, "\n")
	if !strings.HasPrefix(line, "tapir: ") || rest != "" {
		t.Errorf("want one line that starts with \"tapir: \", got:\n%s", r.stderr)
	}
	for _, s := range says {
		if !strings.Contains(line, s) {
			t.Errorf("want %q in %q", s, line)
		}
	}
	t.Log(line)
}

// unprivileged makes a command run as nobody.
func unprivileged(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}
