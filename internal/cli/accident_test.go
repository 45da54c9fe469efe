// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/pkg/runner"
)

// qemu starts a machine in the background and returns the process of its QEMU.
func qemu(t *testing.T) int {
	t.Helper()
	return pid(t, tapir(t, "run", "-d", "--accel", "tcg", "-f", manifest))
}

// pid finds that of QEMU in what tapir run prints.
func pid(t *testing.T, output string) int {
	t.Helper()
	_, rest, _ := strings.Cut(output, "qemu=")
	word, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(word)
	if err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	return n
}

// A guest that ends by accident leaves its logs and the reason, and nothing else, until it is stopped or run again.
func TestAccident(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	home := filepath.Join(runner.Dir, "demo")
	for _, remove := range [][]string{{"stop", "demo"}, {"run", "-d", "--accel", "tcg", "-f", manifest}} {
		if err := unix.Kill(qemu(t), unix.SIGSEGV); err != nil {
			t.Fatal(err)
		}
		var s status
		eventually(t, "the VM's end", func() error {
			if s = hostStatus(t); s.VMs[0].Phase != runner.Ended || s.VMs[0].Exit == nil {
				return errors.New("it is " + string(s.VMs[0].Phase))
			}
			return nil
		})
		if len(s.NICs) > 0 {
			t.Errorf("NICs are left: %v", s.NICs)
		}
		if _, err := os.Stat(s.VMs[0].NetNS); err == nil {
			t.Errorf("%s is left", s.VMs[0].NetNS)
		}
		var left []string
		entries, err := os.ReadDir(home)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if got, want := strings.Join(left, " "), "console.log qemu.log tapir.log vm.json"; got != want {
			t.Errorf("left: %s, want %s", got, want)
		}
		if out := tapir(t, "status"); !strings.Contains(out, "ended: QEMU failed: signal: segmentation fault") {
			t.Errorf("status:\n%s", out)
		}
		t.Run("console", func(t *testing.T) { fails(t, command("console", "demo"), "has ended", "tapir stop demo") })
		for _, verb := range []string{"flows", "drops"} {
			t.Run(verb, func(t *testing.T) { fails(t, command(verb, "demo"), "demo has ended", "tapir status demo") })
		}
		tapir(t, remove...)
	}
	if s := hostStatus(t); s.VMs[0].Exit != nil || s.VMs[0].Phase != runner.Running {
		t.Errorf("run again: %+v", s.VMs)
	}
	tapir(t, "stop", "--force", "demo")
}

// A QEMU that hangs is ended by force; without, stop says what to do.
func TestStopOfAQEMUThatHangs(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	if err := unix.Kill(qemu(t), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r := run(t, command("stop", "demo"))
	if r.code != 1 || !strings.Contains(r.stderr, "--force") || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("exit code %d, %s", r.code, r.stderr)
	}
	tapir(t, "stop", "--force", "demo")
	if s := hostStatus(t); len(s.VMs) > 0 {
		t.Errorf("left: %+v", s)
	}
}

// A host whose DNS server takes every address, and with it the gateway's.
func TestRunBesideDNSServer(t *testing.T) {
	server, err := net.ListenPacket("udp4", ":53")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	fails(t, command("run", "--accel", "tcg", "-f", manifest), "53", "a DNS server of this host")
}

// What a deleted VM directory stood for, the next run removes.
func TestRunSweeps(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "other")
	p := start(t, command("run", "--accel", "tcg", "-f", manifest))
	guest := pid(t, p.wait(t, "guest is started"))
	p.end(t, syscall.SIGKILL)
	if err := unix.Kill(guest, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(runner.Dir, "demo")); err != nil {
		t.Fatal(err)
	}
	other := writeManifest(t, vmManifest(t, replace(t, "name: demo", "name: other")))
	out := tapir(t, "run", "-d", "--accel", "tcg", "-f", other)
	if !strings.Contains(out, "pod=default/demo") {
		t.Errorf("run doesn't say what it swept: %s", out)
	}
	tapir(t, "stop", "--force", "other")
}
