// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the pods that are expected anew")

// TestRender compares the pod of each testdata/NAME.vmi.yaml with testdata/NAME.pod.yaml.
func TestRender(t *testing.T) {
	settings := map[string]Settings{
		"emulation":    {Emulation: true},
		"image-volume": {ImageVolumes: true},
		"storage":      {HostDisks: true},
	}
	modes := map[string]corev1.PersistentVolumeMode{"fast": corev1.PersistentVolumeBlock, "plain": corev1.PersistentVolumeFilesystem}
	files, err := filepath.Glob("testdata/*.vmi.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no machines in testdata: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".vmi.yaml")
		t.Run(name, func(t *testing.T) {
			s := settings[name]
			s.Image = "tapir-launcher:test"
			pod, err := Render(load(t, file), modes, s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			got = []byte(strings.NewReplacer("  creationTimestamp: null\n", "", "status: {}\n", "").Replace(string(got)))
			golden := filepath.Join("testdata", name+".pod.yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got; go test -update ./pkg/controller/pod writes it anew):\n%s", golden, diff)
			}
		})
	}
}

func load(t *testing.T, file string) *kubevirt.VirtualMachineInstance {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	vmi := new(kubevirt.VirtualMachineInstance)
	if err := yaml.UnmarshalStrict(text, vmi); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return vmi
}

// TestRenderNotAllowed: a hostDisk where the installation has none.
func TestRenderNotAllowed(t *testing.T) {
	_, err := Render(load(t, "testdata/storage.vmi.yaml"), nil, Settings{})
	var notAllowed *NotAllowedError
	if !errors.As(err, &notAllowed) || notAllowed.Volume != "host" {
		t.Errorf("got %v, want a NotAllowedError for volume host", err)
	}
}

// TestNames: long names fit, and stay apart.
func TestNames(t *testing.T) {
	long := strings.Repeat("a", 62)
	seen := map[string]bool{}
	for _, volume := range []string{long + "b", long + "c", "disk", "sockets"} {
		name := podName("volume-", volume)
		if len(name) > 63 || seen[name] {
			t.Errorf("volume %s is called %s in the pod: too long, or not unique", volume, name)
		}
		seen[name] = true
	}
	first, second := new(kubevirt.VirtualMachineInstance), new(kubevirt.VirtualMachineInstance)
	first.Name, first.UID = "demo", "1"
	second.Name, second.UID = "demo", "2"
	if Name(first) == Name(second) {
		t.Errorf("pods of two machines are called %s and %s", Name(first), Name(second))
	}
}
