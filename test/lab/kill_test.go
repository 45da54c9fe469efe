// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"
)

// held, in the environment, makes the test binary a process that brings up a lab, says so, and holds it.
const held = "TAPIR_TEST_HOLDS_LAB"

func TestMain(m *testing.M) {
	if os.Getenv(held) != "" {
		if _, err := Up(context.Background(), testConfig(slog.New(slog.DiscardHandler))); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("up")
		select {}
	}
	os.Exit(m.Run())
}

// TestKilledLab kills the process of a lab: whatever ran in it must end, and what remains must be possible to remove.
func TestKilledLab(t *testing.T) {
	before, err := saveSysctls()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := before.restore(); err != nil {
			t.Error(err)
		}
	})
	holder := exec.CommandContext(t.Context(), "/proc/self/exe")
	holder.Env = append(os.Environ(), held+"=1")
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "up\n" {
		t.Fatalf("the lab's process says %q (%v)", line, err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait() // killed
	config := testConfig(nil)
	for deadline := time.Now().Add(limit); ; time.Sleep(pollInterval) {
		// A control group can be removed when no process is in it.
		err := errors.Join(removeCgroups(""), os.RemoveAll(config.run()), os.RemoveAll(config.Kubeconfig()))
		running := runningPrograms(t)
		if err == nil && len(running) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: %q, %v", running, err)
		}
	}
	if found, err := End(); found || err != nil {
		t.Errorf("the lab's lock is still held: %v, %v", found, err)
	}
}
