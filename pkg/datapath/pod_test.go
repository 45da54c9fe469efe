// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"

	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/nstest"
)

// newPod makes a node and a pod, as a CNI leaves them, with addresses of these families.
func newPod(t testing.TB, families ...nstest.Family) (node, pod *nstest.Namespace) {
	t.Helper()
	node, pod = nstest.NewNamespace(t, "node"), nstest.NewNamespace(t, "pod")
	nstest.Connect(t, node, "cni0", pod, "eth0", nstest.MTU)
	for _, f := range families {
		node.Address(t, "cni0", f.Node)
		pod.Address(t, "eth0", f.Pod)
	}
	return node, pod
}

// config is that of a launcher which opens the tap itself.
func config(pod *nstest.Namespace) Config {
	return Config{NetNS: pod.Path(), NIC: "eth0", Tap: "tap0", TapUID: -1, TapGID: -1}
}

// attach attaches until the test ends.
func attach(t testing.TB, cfg Config) {
	t.Helper()
	t.Cleanup(func() { detach(t, cfg) })
	again(t, cfg)
}

// again attaches what will be detached anyway.
func again(t testing.TB, cfg Config) {
	t.Helper()
	nic, err := Attach(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := nic.Close(); err != nil {
		t.Fatal(err)
	}
}

func detach(t testing.TB, cfg Config) {
	t.Helper()
	if err := Detach(cfg.NetNS, cfg.Tap); err != nil {
		t.Error(err)
	}
}

// open opens what is attached, as another process would, until the test ends.
func open(t testing.TB, cfg Config) *NIC {
	t.Helper()
	nic, err := Open(cfg.NetNS, cfg.Tap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nic.Close() })
	return nic
}

func status(t testing.TB, cfg Config) Status {
	t.Helper()
	s, err := open(t, cfg).Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A view is all that Attach could change: of the host, and of the pod its devices, their addresses and settings.
type view struct {
	host leftovers.Snapshot
	pod  string
}

func look(t testing.TB, pod *nstest.Namespace) view {
	t.Helper()
	host, err := leftovers.Take()
	if err != nil {
		t.Fatal(err)
	}
	return view{host, withoutQdisc(pod.Command(t, "ip", "-d", "address")) + settings(t, pod)}
}

// A device that was up once has another queueing discipline than one that never was, and addresses cease to be tentative
// by themselves.
func withoutQdisc(devices string) string {
	return regexp.MustCompile(` qdisc \w+| tentative`).ReplaceAllString(devices, "")
}

// settings lists what is below /proc/sys/net in a namespace, a line for each file.
func settings(t testing.TB, n *nstest.Namespace) string {
	t.Helper()
	var lines strings.Builder
	n.Must(t, func() error {
		return filepath.WalkDir("/proc/sys/net", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			value, err := os.ReadFile(path) // some can only be written, or hold nothing yet
			fmt.Fprintf(&lines, "%s = %s, %v\n", path, bytes.TrimSpace(value), err)
			return nil
		})
	})
	return lines.String()
}

// unchanged fails the test if anything is different from before.
func (v view) unchanged(t testing.TB, pod *nstest.Namespace) {
	t.Helper()
	now := look(t, pod)
	for _, line := range v.host.Diff(now.host) {
		t.Errorf("the host has changed: %s", line)
	}
	if diff := cmp.Diff(strings.Split(v.pod, "\n"), strings.Split(now.pod, "\n")); diff != "" {
		t.Errorf("the pod has changed (-before +now):\n%s", diff)
	}
	for _, dir := range []string{stateDir, pinRoot} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != ".lock" {
				t.Errorf("%s is left", filepath.Join(dir, e.Name()))
			}
		}
	}
}

// prepared makes the directories that stay, so that they don't count as left.
func prepared(t testing.TB) {
	t.Helper()
	if _, err := Sweep(); err != nil {
		t.Fatal(err)
	}
}

// programID says which program a hook's link runs.
func programID(t testing.TB, h *hook, dir string) string {
	t.Helper()
	l, err := link.LoadPinnedLink(h.pin(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(info.Program))
}
