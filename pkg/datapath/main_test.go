// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec" // exec runs a program of the datapath here
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/internal/sandbox"
)

// asAttacher holds the Config that a child process attaches again and again, and the one in between.
const asAttacher = "TAPIR_TEST_ATTACHER"

func TestMain(m *testing.M) {
	if configs := os.Getenv(asAttacher); configs != "" {
		if err := attachForever(configs); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	sandbox.Main(m)
}

func attachForever(configs string) error {
	var turns []Config
	if err := json.Unmarshal([]byte(configs), &turns); err != nil {
		return err
	}
	fmt.Println("begin")
	for {
		for _, cfg := range turns {
			nic, err := Attach(cfg)
			if err != nil {
				return err
			}
			nic.Close()
			fmt.Println("attached")
		}
	}
}

// An attacher is a process that attaches until it is killed.
type attacher struct {
	*osexec.Cmd
	says *bufio.Scanner
}

func startAttacher(t testing.TB, turns ...Config) *attacher {
	t.Helper()
	configs, err := json.Marshal(turns)
	if err != nil {
		t.Fatal(err)
	}
	a := &attacher{Cmd: osexec.Command("/proc/self/exe")}
	a.Env = append(os.Environ(), asAttacher+"="+string(configs))
	a.Stderr = os.Stderr
	stdout, err := a.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	a.says = bufio.NewScanner(stdout)
	t.Cleanup(a.kill)
	return a
}

// await waits until the process has said something so many times.
func (a *attacher) await(t testing.TB, line string, times int) {
	t.Helper()
	for times > 0 {
		if !a.says.Scan() {
			t.Fatalf("the attaching process ended (%v)", a.says.Err())
		}
		switch {
		case a.says.Text() == line:
			times--
		case !strings.Contains("begin attached", a.says.Text()):
			t.Fatalf("the attaching process failed: %s", a.says.Text())
		}
	}
}

// kill ends the process by SIGKILL, wherever it is.
func (a *attacher) kill() {
	_ = a.Process.Kill() // fails where it has ended
	_ = a.Wait()         // it was killed
}
