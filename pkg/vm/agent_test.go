// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// agentVM is a VM of which there is only the guest agent's port.
func agentVM(t *testing.T) *VM {
	return &VM{dir: runDir(t.TempDir()), agent: make(chan struct{}, 1)}
}

// realAgent runs Debian's agent on this machine, as if it were the guest.
func realAgent(t *testing.T) *VM {
	t.Helper()
	v := agentVM(t)
	path := v.dir.path(agentSocket)
	agent := exec.Command("qemu-ga", "-m", "unix-listen", "-p", path, "-t", t.TempDir())
	if err := agent.Start(); err != nil {
		t.Fatalf("hack/deps.sh test installs what is missing: %v", err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
	})
	for deadline := time.Now().Add(time.Minute); v.PingAgent(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(v.PingAgent(t.Context()))
		}
	}
	return v
}

func TestGuestInfo(t *testing.T) {
	v := realAgent(t)
	info, err := v.GuestInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := os.Hostname(); info.Hostname != name {
		t.Errorf("host name %q, want %q", info.Hostname, name)
	}
	if release, _ := os.ReadFile("/proc/sys/kernel/osrelease"); info.OS.KernelRelease != strings.TrimSpace(string(release)) || info.OS.ID != "debian" {
		t.Errorf("operating system %+v", info.OS)
	}
	loopback := GuestInterface{}
	for _, i := range info.Interfaces {
		if i.Name == "lo" {
			loopback = i
		}
	}
	if !strings.Contains(fmt.Sprint(loopback.IPs), "127.0.0.1") {
		t.Errorf("interfaces %+v", info.Interfaces)
	}
}

// A guest that makes up as many interfaces as it likes, with the longest texts in the place of addresses, doesn't drown those who are told
// of it: a line of the launcher's status may have 1 MiB.
func TestInterfacesOfALiar(t *testing.T) {
	var lies []agentInterface
	text := strings.Repeat("\x01", 2*maxGuestText) // six bytes each, in JSON
	address := agentInterface{}
	if err := json.Unmarshal([]byte(`{"name": "eth0", "hardware-address": "52:54:00:AA:BB:CC", "ip-addresses": [{"ip-address": "fe80::1%eth0"}, {"ip-address": "10.0.2.2"}]}`), &address); err != nil {
		t.Fatal(err)
	}
	lies = append(lies, address)
	for range 2 * maxGuestInterfaces {
		lie := agentInterface{Name: text, MAC: text, IPs: slices.Repeat(address.IPs, 2*maxGuestIPs)}
		for i := range lie.IPs[:maxGuestIPs/2] {
			lie.IPs[i].Address = text
		}
		lies = append(lies, lie)
	}
	got := shown(lies)
	if diff := cmp.Diff(GuestInterface{Name: "eth0", MAC: "52:54:00:aa:bb:cc", IPs: []string{"fe80::1", "10.0.2.2"}}, got[0]); diff != "" {
		t.Errorf("a true one: -want +got:\n%s", diff)
	}
	encoded, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != maxGuestInterfaces || len(got[1].IPs) != maxGuestIPs/2 || got[1].MAC != "" || len(encoded) > 512<<10 {
		t.Errorf("%d interfaces with %d addresses and MAC %q, %d bytes together", len(got), len(got[1].IPs), got[1].MAC, len(encoded))
	}
}

func TestExec(t *testing.T) {
	v := realAgent(t)
	tests := map[string]struct {
		command []string
		want    ExecResult
	}{
		"success": {[]string{"/bin/sh", "-c", "echo out; echo err >&2"}, ExecResult{0, "out\nerr\n"}},
		"failure": {[]string{"/bin/sh", "-c", "exit 3"}, ExecResult{3, ""}},
		"killed":  {[]string{"/bin/sh", "-c", "kill -9 $$"}, ExecResult{137, ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := v.Exec(t.Context(), tt.command); err != nil || *got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
	var refusal *CommandError
	if _, err := v.Exec(t.Context(), []string{"/no/such/program"}); !errors.As(err, &refusal) {
		t.Errorf("a program that isn't there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	marker := filepath.Join(t.TempDir(), "marker")
	go func() {
		for {
			if _, err := os.Stat(marker); err == nil {
				cancel()
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if _, err := v.Exec(ctx, []string{"/bin/sh", "-c", "touch " + marker + "; exec sleep 5"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a command that takes long: %v", err)
	}
}

// What a guest puts in its agent's place is refused within bounds; its answers to others are skipped.
func TestAgentThatIsNone(t *testing.T) {
	tests := map[string]struct {
		answer string
		want   error
	}{
		"nothing, and gone": {"", ErrNoAgent},
		"no JSON":           {"\xff{\"return\": ID}\nhello\n", nil},
		"another's answers": {"{\"return\": 7}\n\xff{\"return\": 1}\n{\"ret\xff\xff{\"return\": ID}\n{\"return\": {}}\n", nil},
		"endless line":      {"\xff{\"return\": ID}\n" + strings.Repeat("x", maxAgentAnswer), ErrNoAgent},
		"endless chatter":   {strings.Repeat("\xff{}\n", maxAgentAnswer/4), ErrNoAgent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := agentVM(t)
			l, err := net.Listen("unix", v.dir.path(agentSocket))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				var id uint32
				questions := bufio.NewReader(conn)
				line, err := questions.ReadString('\n')
				if err == nil {
					_, err = fmt.Sscanf(line[strings.Index(line, `"id":`):], `"id":%d`, &id)
				}
				if err == nil {
					fmt.Fprint(conn, strings.ReplaceAll(tt.answer, "ID", fmt.Sprint(id)))
				}
				if tt.answer != "" {
					io.Copy(io.Discard, questions)
				}
			}()
			err = v.PingAgent(t.Context())
			if name == "no JSON" {
				if err == nil || errors.Is(err, ErrNoAgent) {
					t.Errorf("got %v", err)
				}
			} else if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A guest without an agent holds nobody up for longer than ctx.
func TestSilentAgent(t *testing.T) {
	v := agentVM(t)
	l, err := net.Listen("unix", v.dir.path(agentSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
			cancel()
			<-t.Context().Done()
		}
	}()
	if err := v.PingAgent(ctx); err == nil {
		t.Errorf("got %v", err)
	}
}
