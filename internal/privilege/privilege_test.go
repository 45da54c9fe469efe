// SPDX-License-Identifier: Apache-2.0

package privilege

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// child tells a process that it is the one to be looked at.
const child = "TAPIR_TEST_PRIVILEGE"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	if err := Keep(unix.CAP_NET_ADMIN, unix.CAP_BPF); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		status, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Cap") {
				fmt.Print(line)
			}
		}
	}
	exec.Command("true").Run() // has the threads that Go starts for it, too
	os.Exit(0)
}

func TestKeep(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("run the tests as root")
	}
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), child+"=1")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := fmt.Sprintf("%016x", uint64(1)<<unix.CAP_NET_ADMIN|uint64(1)<<unix.CAP_BPF)
	lines := 0
	for line := range strings.Lines(string(out)) {
		name, set, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if name == "CapInh" || name == "CapAmb" {
			want := strings.Repeat("0", 16)
			if set != want {
				t.Errorf("%s is %s, want %s", name, set, want)
			}
		} else if set != want {
			t.Errorf("%s is %s, want %s", name, set, want)
		}
		lines++
	}
	if lines < 5 {
		t.Errorf("got %q", out)
	}
}
