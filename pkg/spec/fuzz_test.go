// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// Whatever the bytes, there is a machine or an error, and what is converted keeps its promises.
func FuzzManifest(f *testing.F) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, manifest := range everything {
		f.Add("apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\n" + manifest)
	}
	f.Add("a: &a [*a]\n---\n<<: {a: b}\n")

	f.Fuzz(func(t *testing.T, text string) {
		objects, err := Load(Source{Name: "fuzz", Dir: "/dir", Reader: strings.NewReader(text)})
		if err != nil {
			return
		}
		for _, m := range objects.Machines {
			v, err := Convert(m, objects)
			if (v == nil) == (err == nil) {
				t.Fatalf("got %v and %v", v, err)
			}
			if err != nil {
				continue
			}
			if v.VM.MemoryBytes < minMemory || v.VM.Sockets*v.VM.Cores*v.VM.Threads < 1 {
				t.Errorf("got a machine of %d bytes and %d sockets", v.VM.MemoryBytes, v.VM.Sockets)
			}
			for _, nic := range v.NICs {
				if len(nic.Device.MAC) != 6 || !nic.Datapath.CIDR4.Addr().Is4() || !nic.Datapath.CIDR6.Addr().Is6() {
					t.Errorf("got NIC %+v", nic)
				}
			}
			for _, d := range v.VM.Disks {
				if d.Source == "" || d.Source != vm.Seed && d.Path == "" && d.Bytes < 1 {
					t.Errorf("got disk %+v", d)
				}
			}
		}
	})
}
