// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vmManifest is a VM that boots the kernel, has the disk and the fields given.
func vmManifest(t *testing.T, edit func(string) string) string {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	image, err := filepath.Abs("../../build/guest")
	if err != nil {
		t.Fatal(err)
	}
	return edit(strings.ReplaceAll(string(text), "../build/guest", image))
}

func writeManifest(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vm.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func replace(t *testing.T, old, new string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("%s lacks %q", manifest, old)
		}
		return strings.Replace(s, old, new, 1)
	}
}

func TestBadRun(t *testing.T) {
	dir := t.TempDir()
	unreadable := filepath.Join(dir, "kernel")
	if err := os.WriteFile(unreadable, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	hostDisk := func(path string) func(string) string {
		return func(s string) string {
			s = replace(t, "          disks:\n", "          disks:\n            - {name: root, disk: {bus: virtio}}\n")(s)
			return replace(t, "      volumes:\n", "      volumes:\n        - {name: root, hostDisk: {path: "+path+", type: Disk}}\n")(s)
		}
	}
	kernel := func(path string) func(string) string {
		return func(s string) string {
			image, err := filepath.Abs("../../build/guest/vmlinuz")
			if err != nil {
				t.Fatal(err)
			}
			return replace(t, image, path)(s)
		}
	}
	tests := []struct {
		name string
		edit func(string) string
		args []string
		env  []string
		says []string
	}{
		{name: "malformed YAML", edit: func(string) string { return "kind: [" }, says: []string{"vm.yaml:1"}},
		{name: "no VM", edit: func(string) string { return "" }, says: []string{"VirtualMachine"}},
		{name: "misspelt field", edit: replace(t, "rng:", "rnd:"), says: []string{"spec.template.spec.domain.devices.rnd"}},
		{name: "unsupported field", edit: replace(t, "rng: {}", "tpm: {}"), says: []string{"spec.template.spec.domain.devices.tpm", "not supported yet"}},
		{name: "bridge binding", edit: replace(t, "masquerade: {}", "bridge: {}"), says: []string{"interfaces[0].bridge", "not supported yet"}},
		{name: "wrong CIDR", edit: replace(t, "pod: {}", "pod: {vmNetworkCIDR: 10.0.2.0/31}"), says: []string{"vmNetworkCIDR", "10.0.2.0/31"}},
		{name: "pod's own network", edit: replace(t, "pod: {}", "pod: {vmNetworkCIDR: 10.201.0.0/16}"), says: []string{"10.201.0.0/16", "choose another"}},
		{name: "missing disk", edit: hostDisk("/nowhere.img"), says: []string{"/nowhere.img"}},
		{name: "disk is a directory", edit: hostDisk("/tmp"), says: []string{"/tmp"}},
		{name: "missing kernel", edit: kernel("/nowhere"), says: []string{"/nowhere"}},
		{name: "unreadable kernel", edit: kernel(unreadable), says: []string{unreadable, "chmod"}},
		{name: "kernel is none", edit: kernel("/etc/passwd"), says: []string{"QEMU"}},
		{name: "absent QEMU", env: []string{"PATH=" + dir}, says: []string{"apt-get install qemu-system-x86"}},
		{name: "pods' network", args: []string{"--pod-cidr", "10.0.0.0/30"}, says: []string{"10.0.0.0/30", "/8 to /29"}},
		{name: "pods' network of another family", args: []string{"--pod-cidr6", "10.0.0.0/16"}, says: []string{"--pod-cidr6", "10.0.0.0/16"}},
		{name: "host's network for pods", args: []string{"--pod-cidr", "127.0.0.0/8"}, says: []string{"127.0.0.0/8"}},
		{name: "acceleration", args: []string{"--accel", "fast"}, says: []string{"--accel", "fast", "tcg"}},
		{name: "no KVM", args: []string{"--accel", "kvm"}, says: []string{"KVM", "tcg"}},
		{name: "metrics address", args: []string{"--metrics-addr", "nowhere"}, says: []string{"nowhere"}},
		{name: "two of a name", edit: func(s string) string { return s + "\n---\n" + s }, says: []string{"demo"}},
	}
	for _, tt := range tests {
		if tt.edit == nil {
			tt.edit = func(s string) string { return s }
		}
		file := writeManifest(t, vmManifest(t, tt.edit))
		for mode, flags := range map[string][]string{"": nil, " in the background": {"-d"}} {
			t.Run(tt.name+mode, func(t *testing.T) {
				cmd := command(append(append([]string{"run", "-f", file}, flags...), tt.args...)...)
				cmd.Env = append(cmd.Env, tt.env...)
				fails(t, cmd, tt.says...)
			})
		}
	}
	// The background half hands on errors of any length.
	for mode, flags := range map[string][]string{"": nil, " in the background": {"-d"}} {
		t.Run("long line"+mode, func(t *testing.T) {
			long := strings.Repeat("x", 70_000)
			file := writeManifest(t, vmManifest(t, replace(t, "pod: {}", "pod: {vmNetworkCIDR: "+long+"}")))
			fails(t, command(append([]string{"run", "-f", file}, flags...)...), long)
		})
	}
	t.Run("no file", func(t *testing.T) { fails(t, command("run", "-f", "/nowhere.yaml"), "/nowhere.yaml") })
	t.Run("no file given", func(t *testing.T) { fails(t, command("run"), "tapir run -f FILE") })
	t.Run("no -f", func(t *testing.T) { fails(t, command("run", manifest), "tapir run -f "+manifest) })
	t.Run("one -f for two", func(t *testing.T) {
		fails(t, command("run", "-f", manifest, "b.yaml"), "tapir run -f "+manifest+" -f b.yaml")
	})
}
