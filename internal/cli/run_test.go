// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/standalone"
)

const manifest = "../../examples/vm.yaml"

// checkHost fails the test if anything of a VM is left at its end.
func checkHost(t *testing.T) {
	t.Helper()
	if _, err := datapath.Sweep(); err != nil { // makes the directories that stay
		t.Fatal(err)
	}
	leftovers.Check(t)
}

// stopAtEnd stops a VM that a failed test has left.
func stopAtEnd(t *testing.T, name string) {
	t.Cleanup(func() { run(t, command("stop", "--force", name)) })
}

// hostStatus reads `tapir status -o json`.
func hostStatus(t *testing.T, args ...string) status {
	t.Helper()
	var s status
	if err := json.Unmarshal([]byte(tapir(t, append([]string{"status", "-o", "json"}, args...)...)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// waitForGuest returns when the guest has printed all of these on its console.
func waitForGuest(t *testing.T, name string, says ...string) {
	t.Helper()
	eventually(t, "the guest's console", func() error {
		log, err := os.ReadFile(filepath.Join("/run/tapir/vms", name, "qemu", "console.log"))
		for _, s := range says {
			if err == nil && !strings.Contains(string(log), s) {
				err = errors.New("lacks " + s + ": " + string(log))
			}
		}
		return err
	})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// checkBackground looks at the process that `run -d` has left on this test's host.
func checkBackground(t *testing.T) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var p string
	eventually(t, "the process of run -d", func() (err error) { // its first thread may be in a pod for a moment
		p, err = background(exe)
		return err
	})
	if cwd := linked(p, "cwd"); cwd != "/" {
		t.Errorf("it keeps %s busy", cwd)
	}
	if name := strings.TrimSpace(string(read(t, filepath.Join(p, "comm")))); name != filepath.Base(exe)[:min(15, len(filepath.Base(exe)))] {
		t.Errorf("it is called %q, want the name of %s", name, exe)
	}
}

// background finds the process of `run -d` in this network namespace.
func background(exe string) (string, error) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return "", err
	}
	for _, p := range processes {
		env, _ := os.ReadFile(filepath.Join(p, "environ"))
		if bytes.Contains(env, []byte(backgroundEnv+"=1")) && linked(p, "ns/net") == linked("/proc/self", "ns/net") &&
			linked(p, "exe") == exe {
			return p, nil
		}
	}
	return "", errors.New("there is none")
}

// linked is where a link of a process leads; empty for one that has ended.
func linked(process, name string) string {
	target, _ := os.Readlink(filepath.Join(process, name))
	return target
}

// typist is a `tapir console` process as the connection that it stands for.
type typist struct {
	io.Reader
	io.WriteCloser
}

// console starts `tapir console`, to run commands in the guest.
func console(t *testing.T, name string) *guest.Console {
	t.Helper()
	cmd := command("console", name)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := guest.NewConsole(typist{out, in})
	t.Cleanup(func() {
		c.Close() // end of input: the command ends
		if err := cmd.Wait(); err != nil {
			t.Errorf("tapir console: %v", err)
		}
	})
	return c
}

// One machine through all verbs: run -d, status, flows, console, run again, stop.
func TestRun(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	begin := command("run", "-d", "--accel", "tcg", "--metrics-addr", "127.0.0.1:0", "-f", "-")
	begin.Dir = filepath.Dir(manifest) // what its relative paths start from when it comes by standard input
	begin.Stdin = bytes.NewReader(read(t, manifest))
	r := run(t, begin)
	if r.code != 0 {
		t.Fatalf("run -d: %s", r.stderr)
	}
	checkBackground(t)
	_, rest, _ := strings.Cut(r.stdout, "metrics are at ")
	url, _, _ := strings.Cut(rest, "\n")

	s := hostStatus(t, "demo")
	if len(s.VMs) != 1 || s.VMs[0].Phase != "running" || len(s.VMs[0].PodIPs) == 0 || len(s.NICs) != 1 || !s.NICs[0].Healthy {
		t.Fatalf("status: %+v", s)
	}
	if out := tapir(t, "status", "default/demo"); !strings.Contains(out, "PHASE") || !strings.Contains(out, "default/demo/default") {
		t.Errorf("status default/demo:\n%s", out)
	}
	pod := s.VMs[0].PodIPs[0].String()
	waitForGuest(t, "demo", "TAPIR-GUEST lease4 10.0.2.2/24 via 10.0.2.1 mtu 1500", "TAPIR-GUEST route6 fe80::ff:fe00:0")
	eventually(t, "the guest's page by the pod's address", func() error {
		_, err := get("http://" + pod + "/")
		return err
	})
	flows := objects(t, tapir(t, "flows", "-o", "json", "demo"))
	if len(flows) == 0 || flows[0]["nic"] != "default/demo/default" {
		t.Errorf("flows: %v", flows)
	}
	page, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`kubevirt_vmi_network_receive_packets_total{interface="default",name="demo",namespace="default"`,
		`tapir_dhcp_messages_total{interface="default",name="demo",namespace="default"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("metrics lack %s:\n%s", want, page)
		}
	}

	checkConsole(t, "demo")
	c := console(t, "default/demo")
	ctx, cancel := context.WithTimeout(t.Context(), patienceOfTests)
	defer cancel()
	if out, code, err := c.Run(ctx, "hostname"); err != nil || code != 0 || strings.TrimSpace(out) != "demo" {
		t.Errorf("hostname in the guest: %q, exit code %d, %v", out, code, err)
	}
	host := standalone.DefaultPool6.Addr().Next().String() // the host's end of every pod's veth
	if out, code, err := c.Run(ctx, "ping -6 -c 3 "+host); err != nil || code != 0 {
		t.Errorf("ping the host over IPv6: exit code %d, %v: %s", code, err, out)
	}
	t.Run("again", func(t *testing.T) {
		fails(t, command("run", "-f", manifest), "default/demo runs already", "tapir stop demo")
	})
	t.Run("again in the background", func(t *testing.T) {
		fails(t, command("run", "-d", "-f", manifest), "default/demo runs already", "tapir stop demo")
	})
	t.Run("in another namespace", func(t *testing.T) {
		file := writeManifest(t, vmManifest(t, replace(t, "name: demo", "name: demo\n  namespace: shop")))
		fails(t, command("run", "-f", file), "default/demo runs already: names are unique", "tapir stop demo")
	})
	for _, verb := range []string{"stop", "console", "status"} {
		t.Run(verb+" shop/demo", func(t *testing.T) { fails(t, command(verb, "shop/demo"), "shop/demo") })
	}
	tapir(t, "stop", "default/demo")
	if s := hostStatus(t); len(s.VMs) != 0 || len(s.NICs) != 0 {
		t.Errorf("after stop: %+v", s)
	}
}

// The guest outlives a tapir run that is killed, traffic included; stop cleans up after it.
func TestKilledRun(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	p := start(t, command("run", "--accel", "tcg", "--pod-cidr", "10.77.0.0/24", "-f", manifest))
	p.wait(t, "guest is started")
	waitForGuest(t, "demo", "lease4")
	p.end(t, syscall.SIGKILL)

	s := hostStatus(t)
	if len(s.VMs) != 1 || s.VMs[0].Phase != "unattended" || len(s.NICs) != 1 {
		t.Fatalf("status: %+v", s)
	}
	if ip := s.VMs[0].PodIPs[0]; !netip.MustParsePrefix("10.77.0.0/24").Contains(ip) {
		t.Errorf("pod has %s, which is not of the pool given", ip)
	}
	eventually(t, "the guest's page", func() error {
		_, err := get("http://" + s.VMs[0].PodIPs[0].String() + "/")
		return err
	})
	t.Run("again", func(t *testing.T) {
		fails(t, command("run", "-f", manifest), "demo", "killed", "tapir stop demo")
	})

	// As docs/standalone.md says, attach --dhcp serves it meanwhile: the guest keeps what it has, and renews.
	nic := s.NICs[0].Config
	p = start(t, command("attach", "--dhcp", "--netns", nic.NetNS, "--nic", nic.NIC, "--tap", nic.Tap, "--name", nic.Name))
	p.wait(t, "serving addresses")
	c := console(t, "demo")
	ctx, cancel := context.WithTimeout(t.Context(), patienceOfTests)
	defer cancel()
	if out, code, err := c.Run(ctx, "udhcpc -n -q -t 10 -i eth0 -s /bin/true && wget -q -O /dev/null http://"+s.VMs[0].PodIPs[0].String()+"/"); err != nil || code != 0 {
		t.Errorf("renew the lease: exit code %d, %v: %s", code, err, out)
	}
	if _, err := get("http://" + s.VMs[0].PodIPs[0].String() + "/"); err != nil {
		t.Error(err)
	}
	if code := p.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("attach --dhcp: exit code %d", code)
	}
	tapir(t, "stop", "demo")
}

// A run that is killed together with its guest leaves things that the next run of the name removes.
func TestRunAfterCrash(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	p := start(t, command("run", "--accel", "tcg", "-f", manifest))
	_, words, _ := strings.Cut(p.wait(t, "guest is started"), "qemu=")
	pid, _, _ := strings.Cut(words, " ")
	p.end(t, syscall.SIGKILL)
	if out, err := exec.Command("kill", "-KILL", pid).CombinedOutput(); err != nil {
		t.Fatalf("kill QEMU: %v: %s", err, out)
	}
	eventually(t, "the VM's end", func() error {
		if s := hostStatus(t, "demo"); s.VMs[0].Phase != "ended" {
			return errors.New("it is " + string(s.VMs[0].Phase))
		}
		return nil
	})
	p = start(t, command("run", "--accel", "tcg", "-f", manifest))
	p.wait(t, "guest is started")
	waitForGuest(t, "demo", "TAPIR-GUEST ready")
	if code := p.end(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
}

// Ctrl-C before the guest runs undoes what was begun.
func TestInterruptedRun(t *testing.T) {
	for mode, flags := range map[string][]string{"foreground": nil, "background": {"-d"}} {
		t.Run(mode, func(t *testing.T) {
			checkHost(t)
			stopAtEnd(t, "demo")
			p := start(t, command(append([]string{"run", "--accel", "tcg", "-f", manifest}, flags...)...))
			p.wait(t, "pod is made")
			p.end(t, syscall.SIGINT)
		})
	}
}

// A guest that takes no notice of its power button is ended by a second signal.
func TestImpatience(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	p := start(t, command("run", "--accel", "tcg", "-f", manifest))
	p.wait(t, "guest is started")
	if err := p.Process.Signal(hangUp()); err != nil { // the guest has barely begun to boot
		t.Fatal(err)
	}
	p.wait(t, "powering the guest down")
	if code := p.end(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
