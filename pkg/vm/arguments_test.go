// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"net"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// There is no vhost here to try it with.
func TestNICArguments(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	files := make([]*os.File, 2)
	for _, tc := range []struct {
		name   string
		nic    NIC
		vhosts int
		want   []string
	}{
		{"plain", NIC{Model: virtioNet, MAC: mac, Queues: 1}, 0, []string{
			"-netdev", "tap,id=net0,fd=3",
			"-device", `{"driver":"virtio-net-pci","id":"nic0","mac":"02:00:00:00:00:01","netdev":"net0","romfile":""}`,
		}},
		{"vhost", NIC{Model: virtioNet, MAC: mac, Queues: 1, MTU: 9000}, 1, []string{
			"-netdev", "tap,id=net0,fd=3,vhost=on,vhostfd=4",
			"-device", `{"driver":"virtio-net-pci","host_mtu":9000,"id":"nic0","mac":"02:00:00:00:00:01","netdev":"net0","romfile":""}`,
		}},
		{"vhost with queues", NIC{Model: virtioNet, MAC: mac, Queues: 2}, 2, []string{
			"-netdev", "tap,id=net0,fds=3:4,vhost=on,vhostfds=5:6",
			"-device", `{"driver":"virtio-net-pci","id":"nic0","mac":"02:00:00:00:00:01","mq":true,"netdev":"net0","romfile":"","vectors":6}`,
		}},
		{"boots from the network", NIC{Model: "e1000", MAC: mac, Queues: 1, MTU: 9000, BootOrder: 2}, 0, []string{
			"-netdev", "tap,id=net0,fd=3",
			"-device", `{"bootindex":2,"driver":"e1000","id":"nic0","mac":"02:00:00:00:00:01","netdev":"net0"}`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := &arguments{}
			a.nic(0, tc.nic, files[:tc.nic.Queues], files[:tc.vhosts])
			if diff := cmp.Diff(tc.want, a.line); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a manifest says is never taken for QEMU's syntax.
func TestArgumentsAreEscaped(t *testing.T) {
	c := valid()
	c.Name, c.Machine = "a,debug-threads=off", "q35,accel=xen"
	a := &arguments{}
	a.machine(&c, TCG)
	for _, want := range []string{
		"guest=a,,debug-threads=off,debug-threads=on",
		"q35,,accel=xen,usb=off,vmport=off,dump-guest-core=off,accel=tcg",
	} {
		if !slices.Contains(a.line, want) {
			t.Errorf("want %q in %q", want, a.line)
		}
	}
}
