// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// makeTap makes a tap in n and returns its queues, which end with the test.
func makeTap(t *testing.T, n *nstest.Namespace, name string, queues int) []int {
	t.Helper()
	flags := netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR
	if queues > 1 {
		flags |= netlink.TUNTAP_MULTI_QUEUE
	}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP, Flags: flags, Queues: queues, NonPersist: true}
	n.Must(t, func() error { return netlink.LinkAdd(tap) })
	n.Up(t, name)
	var fds []int
	for _, f := range tap.Fds {
		t.Cleanup(func() { f.Close() })
		fds = append(fds, int(f.Fd()))
	}
	return fds
}

func mac(last byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, last} }

// QEMU isn't in the taps' namespace, and its user could open none of them.
func TestNICs(t *testing.T) {
	t.Parallel()
	n := nstest.NewNamespace(t, "vm")
	c := guest.Config(t)
	c.Cores = 2
	c.NICs = []vm.NIC{
		{Name: "one", MAC: mac(1), MTU: 1400, FDs: makeTap(t, n, "tap0", 1)},
		{Name: "two", MAC: mac(2), Model: "virtio", Queues: 2, FDs: makeTap(t, n, "tap1", 2)},
		{Name: "down", MAC: mac(3), LinkDown: true, FDs: makeTap(t, n, "tap2", 1)},
	}
	n.Address(t, "tap0", netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64"))
	n.Address(t, "tap1", netip.MustParsePrefix("10.78.0.1/24"))
	g := guest.Boot(t, c)

	for file, want := range map[string]string{
		"eth0/mtu":     "1400",
		"eth1/mtu":     "1500",
		"eth0/address": mac(1).String(),
		"eth1/address": mac(2).String(),
		"eth0/carrier": "1",
		"eth2/carrier": "0",
	} {
		if got := g.Run("cat /sys/class/net/%s", file); got != want {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
	if got := g.Run("ls -1d /sys/class/net/eth[01]/queues/rx-*"); strings.Count(got, "eth0") != 1 || strings.Count(got, "eth1") != 2 {
		t.Errorf("queues: %q", got)
	}
	if err := g.VM.SetLink(guest.Context(t), 2, true); err != nil {
		t.Error(err)
	}
	g.Run("until [ $(cat /sys/class/net/eth2/carrier) = 1 ]; do sleep 0.1; done") // the guest's driver hears of it by interrupt
	// A port of its own for each: what udev would call enp1s0 comes first.
	if got := g.Run("basename $(readlink -f /sys/class/net/eth0/device/..)"); got != "0000:01:00.0" {
		t.Errorf("eth0 is at %s", got)
	}
	g.Run("echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad") // else the address waits for it
	g.Run("ip addr add 10.77.0.2/24 dev eth0 && ip addr add fd77::2/64 dev eth0 && ip addr add 10.78.0.2/24 dev eth1")
	for _, address := range []string{"10.77.0.1", "fd77::1", "10.78.0.1"} {
		g.Run("ping -c 1 -w 60 %s", address)
	}
	for _, address := range []string{"10.77.0.2", "fd77::2", "10.78.0.2"} {
		n.Command(t, "ping", "-c", "1", "-w", "60", address)
	}

	for _, nic := range c.NICs {
		for _, fd := range nic.FDs {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
				t.Errorf("Start has closed the caller's descriptor: %v", err)
			}
		}
	}
}

// The models of KubeVirt, as far as this QEMU has them; the guest's kernel has drivers for virtio only.
func TestNICModels(t *testing.T) {
	t.Parallel()
	n := nstest.NewNamespace(t, "models")
	for _, model := range []string{"virtio", "e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139"} {
		for _, machine := range []string{"q35", "pc"} {
			c := guest.Config(t)
			c.Kernel, c.Machine = nil, machine
			c.NICs = []vm.NIC{{Name: model, MAC: mac(1), Model: model, MTU: 1400, BootOrder: 1, FDs: makeTap(t, n, "tap-"+model[:min(len(model), 8)]+machine, 1)}}
			machine, err := vm.Start(guest.Context(t), c, quiet)
			if err != nil {
				if model != "igb" || err.Error() != "QEMU: -device nic0: 'igb' is not a valid device model name" {
					t.Errorf("%s: %v", model, err)
				}
				continue
			}
			if _, err := machine.Kill(guest.Context(t)); err != nil {
				t.Errorf("%s: %v", model, err)
			}
			machine.Close()
		}
	}
}
