// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/plugins/pkg/ns"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// eventually waits for what the kernel does in the background.
func eventually(t testing.TB, what string, happens func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happens(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// deadPod attaches in a pod that is deleted without detaching.
func deadPod(t *testing.T) (cfg Config, key string) {
	t.Helper()
	t.Run("pod", func(t *testing.T) {
		_, pod := newPod(t, both...)
		cfg = config(pod)
		again(t, cfg)
		key = open(t, cfg).key
	})
	if key == "" {
		t.FailNow()
	}
	return cfg, key
}

func listed(t testing.TB, key string) bool {
	t.Helper()
	nics, err := List()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, nic := range nics {
		found = found || nic.key == key
		nic.Close()
	}
	return found
}

func TestSweep(t *testing.T) { sweepsTheDead(t) }

// sweepsTheDead checks that Sweep removes what is left of a deleted namespace, and nothing else.
func sweepsTheDead(t *testing.T) {
	t.Helper()
	prepared(t)
	_, pod := newPod(t, both...)
	before := look(t, pod)
	alive := config(pod)
	attach(t, alive)
	aliveKey := open(t, alive).key

	dead, deadKey := deadPod(t)
	if _, err := Open(dead.NetNS, dead.Tap); !errors.As(err, &ns.NSPathNotExistErr{}) {
		t.Errorf("opening it: %v", err)
	}
	eventually(t, "a list without the dead", func() bool { return !listed(t, deadKey) })
	// Things that are nobody's don't keep the broom from its work, nor does it touch them.
	for _, dir := range []string{filepath.Join(pinRoot, "other"), filepath.Join(stateDir, "other.d")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(dir)
	}
	swept, err := Sweep()
	if err != nil || !slices.Equal(swept, []string{deadKey}) {
		t.Errorf("swept %q, %v, want %q", swept, err, deadKey)
	}
	for _, path := range []string{pinDir(deadKey), recordPath(deadKey)} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	for _, dir := range []string{filepath.Join(pinRoot, "other"), filepath.Join(stateDir, "other.d")} {
		if err := os.Remove(dir); err != nil {
			t.Errorf("it wasn't swept's to remove: %v", err)
		}
	}
	if s := status(t, alive); !s.Healthy || !listed(t, aliveKey) {
		t.Errorf("the living: %+v", s)
	}
	if swept, err := Sweep(); err != nil || len(swept) > 0 {
		t.Errorf("swept again: %q, %v", swept, err)
	}
	detach(t, alive)
	before.unchanged(t, pod)
}

// The kernel may not have taken the namespace down yet: what Detach was asked for goes at once.
func TestDetachWithoutNamespace(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	before := look(t, pod)
	cfg, _ := deadPod(t)
	detach(t, cfg)
	before.unchanged(t, pod)
	detach(t, cfg)
}

func TestAttachSweeps(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	before := look(t, pod)
	_, deadKey := deadPod(t)
	eventually(t, "a list without the dead", func() bool { return !listed(t, deadKey) })
	cfg := config(pod)
	attach(t, cfg)
	detach(t, cfg)
	before.unchanged(t, pod)
}

// A namespace that comes in the place of another one, under the same path, has nothing to do with it.
func TestNamespaceOfSamePath(t *testing.T) {
	prepared(t)
	node := nstest.NewNamespace(t, "node")
	const name = "tapir-same-path"
	add := func(cni string) *nstest.Namespace {
		t.Helper()
		node.Command(t, "ip", "netns", "add", name)
		handle, err := ns.GetNS(filepath.Join("/run/netns", name))
		if err != nil {
			t.Fatal(err)
		}
		pod := &nstest.Namespace{NetNS: handle}
		nstest.Connect(t, node, cni, pod, "eth0", nstest.MTU)
		for _, f := range both {
			pod.Address(t, "eth0", f.Pod)
		}
		return pod
	}
	first := add("cni0")
	cfg := config(first)
	again(t, cfg)
	old := open(t, cfg)

	node.Command(t, "ip", "netns", "delete", name) // it lives on in our hands
	second := add("cni1")
	t.Cleanup(func() {
		second.Close()
		node.Command(t, "ip", "netns", "delete", name)
	})
	if _, err := Open(cfg.NetNS, cfg.Tap); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what isn't attached: %v", err)
	}
	if _, err := old.LinkCounters(); err == nil || !strings.Contains(err.Error(), "is another namespace by now") {
		t.Errorf("counters of a tap in another namespace: %v", err)
	}
	detach(t, cfg)
	if device(t, first, "tap0") == nil || !listed(t, old.key) {
		t.Error("detaching from the second namespace took away what is in the first")
	}
	attach(t, cfg)
	if s := status(t, cfg); !s.Healthy || device(t, second, "tap0") == nil {
		t.Errorf("status: %+v", s)
	}

	first.Close()
	eventually(t, "the first namespace's end", func() bool { return !listed(t, old.key) })
	if swept, err := Sweep(); err != nil || !slices.Equal(swept, []string{old.key}) {
		t.Errorf("swept %q, %v, want %q", swept, err, old.key)
	}
}
