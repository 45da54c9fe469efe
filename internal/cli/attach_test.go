// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// objects decodes a JSON list.
func objects(t *testing.T, text string) []map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return list
}

func TestAttachTwiceDetachTwice(t *testing.T) {
	if _, err := datapath.Sweep(); err != nil {
		t.Fatal(err)
	}
	pod := newPod(t)
	leftovers.Check(t)
	at := []string{"--netns", pod.Path(), "--tap", "tap0"}

	var first, second datapath.Status
	if err := json.Unmarshal([]byte(tapir(t, append([]string{"attach", "-o", "json"}, at...)...)), &first); err != nil {
		t.Fatal(err)
	}
	if len(first.Config.Ports) != 0 || first.Config.Name != "tap0" {
		t.Errorf("attached as %+v", first.Config)
	}
	again := append([]string{"attach", "-o", "json", "--port", "http:tcp/80", "--port", "udp/53", "--name", "shop/web/default"}, at...)
	if err := json.Unmarshal([]byte(tapir(t, again...)), &second); err != nil {
		t.Fatal(err)
	}
	want := []datapath.Port{{Name: "http", Protocol: "tcp", Port: 80}, {Protocol: "udp", Port: 53}}
	if diff := cmp.Diff(want, second.Config.Ports); diff != "" {
		t.Errorf("ports after the second attach (-want +got):\n%s", diff)
	}

	for _, target := range [][]string{at, {"web"}, {"shop/web/default"}, nil} {
		for _, verb := range []string{"flows", "drops"} {
			objects(t, tapir(t, append([]string{verb, "-o", "json"}, target...)...))
		}
		out := tapir(t, append([]string{"status"}, target...)...)
		if !strings.Contains(out, "shop/web/default") || !strings.Contains(out, "10.0.2.2,fd10:0:2::2") {
			t.Errorf("status %v:\n%s", target, out)
		}
	}
	tapir(t, append([]string{"detach"}, at...)...)
	tapir(t, append([]string{"detach"}, at...)...)
	if got := tapir(t, "status", "-o", "json"); !strings.Contains(got, `"nics": []`) {
		t.Errorf("status after detach: %s", got)
	}
}

// A tap is detached by the path of a namespace that is gone, too.
func TestDetachWithoutNetNS(t *testing.T) {
	tapir(t, "detach", "--netns", "/run/netns/gone", "--tap", "tap0")
}

// Flows and drops of a pod's own traffic: a ping to the guest's address that nobody answers is no flow of the
// NIC; one from the pod to outside is the pod's.
func TestFlowsAndDrops(t *testing.T) {
	pod := newPod(t)
	at := []string{"--netns", pod.Path(), "--tap", "tap0"}
	tapir(t, append([]string{"attach"}, at...)...)
	t.Cleanup(func() {
		tapir(t, append([]string{"detach"}, at...)...)
	})
	pod.Must(t, func() error {
		return exec.Command("ping", "-c", "1", "-W", "1", "10.9.0.1").Run()
	})
	flows := objects(t, tapir(t, append([]string{"flows", "-o", "json"}, at...)...))
	if len(flows) != 1 {
		t.Fatalf("%d flows, want the ping's: %v", len(flows), flows)
	}
	for key, want := range map[string]any{"proto": "icmp", "owner": "pod", "nic": "tap0", "remote": "10.9.0.1", "guest": "10.9.0.2"} {
		if flows[0][key] != want {
			t.Errorf("flow has %s %v, want %v", key, flows[0][key], want)
		}
	}
	for _, key := range []string{"guestPort", "natPort", "remotePort", "age", "packets", "bytes"} {
		if _, ok := flows[0][key]; !ok {
			t.Errorf("flow lacks %s: %v", key, flows[0])
		}
	}
	if out := tapir(t, "flows"); !strings.Contains(out, "10.9.0.1") {
		t.Errorf("flows of all NICs:\n%s", out)
	}
}

// One NIC that can't be read hides none of the others.
func TestStatusBesideDamage(t *testing.T) {
	healthy, damaged := newPod(t), newPod(t)
	for _, pod := range []string{healthy.Path(), damaged.Path()} {
		tapir(t, "attach", "--netns", pod, "--tap", "tap0")
		t.Cleanup(func() { tapir(t, "detach", "--netns", pod, "--tap", "tap0") })
	}
	records, err := filepath.Glob("/run/tapir/nics/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range records {
		record := read(t, path)
		if !strings.Contains(string(record), damaged.Path()) {
			continue
		}
		t.Cleanup(func() {
			if err := os.WriteFile(path, record, 0o600); err != nil {
				t.Error(err)
			}
		})
		if err := os.WriteFile(path, record[:len(record)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		r := run(t, command("status", "-o", "json"))
		var s status
		if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
			t.Fatalf("%v: %s", err, r.stdout)
		}
		if len(s.NICs) != 1 || s.NICs[0].Config.NetNS != healthy.Path() {
			t.Errorf("status shows %+v", s.NICs)
		}
		if r.code != 1 || !strings.Contains(r.stderr, path+" is damaged") {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
		return
	}
	t.Fatalf("no record of %s in %q", damaged.Path(), records)
}

func TestVersionAndCompletion(t *testing.T) {
	if out := tapir(t, "version"); !strings.HasPrefix(out, "tapir ") {
		t.Errorf("version: %q", out)
	}
	if out := tapir(t, "completion", "bash"); !strings.Contains(out, "bash completion") {
		t.Error("completion bash prints no script")
	}
	if out := tapir(t, "__complete", "attach", "-o", ""); !strings.Contains(out, "json") {
		t.Errorf("-o completes to %q", out)
	}
}

// What a pod leaves that ended without detach, the next attach removes.
func TestAttachSweeps(t *testing.T) {
	t.Run("pod", func(t *testing.T) {
		tapir(t, "attach", "--netns", newPod(t).Path(), "--tap", "tap0")
	})
	pod := newPod(t)
	at := []string{"--netns", pod.Path(), "--tap", "tap0"}
	tapir(t, append([]string{"attach"}, at...)...)
	if s := hostStatus(t); len(s.NICs) != 1 {
		t.Errorf("%d NICs are attached, want the one that is there", len(s.NICs))
	}
	tapir(t, append([]string{"detach"}, at...)...)
}

// A tap that a launcher has open already is attached as it is, stays open, and outlives detach.
func TestAttachTapInUse(t *testing.T) {
	pod := newPod(t)
	pod.Command(t, "ip", "tuntap", "add", "tap0", "mode", "tap", "vnet_hdr")
	files, err := datapath.OpenTap(pod.Path(), "tap0", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files[0].Close() })
	at := []string{"--netns", pod.Path(), "--tap", "tap0"}
	tapir(t, append([]string{"attach"}, at...)...)
	if _, err := datapath.OpenTap(pod.Path(), "tap0", 1); !errors.Is(err, datapath.ErrTapInUse) {
		t.Errorf("open it a second time: %v, want %v", err, datapath.ErrTapInUse)
	}
	tapir(t, append([]string{"detach"}, at...)...)
	if out := pod.Command(t, "ip", "-d", "link", "show", "tap0"); !strings.Contains(out, "vnet_hdr on") {
		t.Errorf("after detach: %s", out)
	}
}
