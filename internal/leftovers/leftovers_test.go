// SPDX-License-Identifier: Apache-2.0

package leftovers_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/sandbox"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func take(t *testing.T) leftovers.Snapshot {
	t.Helper()
	s, err := leftovers.Take()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, command ...string) {
	t.Helper()
	if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, output)
	}
}

// Everything that the package promises to find, made by the ordinary tools and removed again.
func TestDiff(t *testing.T) {
	leftovers.Check(t)
	tests := []struct {
		name     string
		do, undo [][]string
		want     string
	}{
		{"link",
			[][]string{{"ip", "tuntap", "add", "left0", "mode", "tap"}},
			[][]string{{"ip", "link", "del", "left0"}},
			"+ link left0 in host"},
		{"namespace",
			[][]string{{"ip", "netns", "add", "left"}},
			[][]string{{"ip", "netns", "del", "left"}},
			"+ network namespace left"},
		{"link in a namespace",
			[][]string{{"ip", "netns", "add", "left"}, {"ip", "-n", "left", "tuntap", "add", "left0", "mode", "tap"}},
			[][]string{{"ip", "netns", "del", "left"}},
			"+ link left0 in left"},
		{"queueing discipline",
			[][]string{{"tc", "qdisc", "add", "dev", "lo", "clsact"}},
			[][]string{{"tc", "qdisc", "del", "dev", "lo", "clsact"}},
			"+ qdisc clsact on lo in host"},
		{"rule",
			[][]string{{"nft", "add table ip left; add chain ip left c; add rule ip left c accept"}},
			[][]string{{"nft", "delete table ip left"}},
			"+ nftables chain c of table left with 1 rules in host"},
		{"setting",
			[][]string{{"sysctl", "-q", "net.ipv4.ip_forward=1"}},
			[][]string{{"sysctl", "-q", "net.ipv4.ip_forward=0"}},
			"+ setting /proc/sys/net/ipv4/ip_forward = 1"},
		{"file",
			[][]string{{"mkdir", "-p", "/run/tapir/deep"}, {"touch", "/run/tapir/deep/file"}},
			[][]string{{"rm", "-r", "/run/tapir"}},
			"+ file /run/tapir/deep/file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := take(t)
			for _, command := range test.do {
				run(t, command...)
			}
			between := take(t)
			for _, command := range test.undo {
				run(t, command...)
			}
			if diff := before.Diff(between); !slices.Contains(diff, test.want) {
				t.Errorf("got %q, want %q among it", diff, test.want)
			}
			if diff := before.Diff(take(t)); len(diff) > 0 {
				t.Errorf("after all was undone: %q", diff)
			}
		})
	}
}

// As QEMU is left: in a session and a network namespace of its own, by a parent that has ended. Its name may be any.
func TestProcess(t *testing.T) {
	leftovers.Check(t)
	before := take(t)
	parent := exec.Command("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!")
	parent.SysProcAttr = &unix.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWNET}
	output, err := parent.Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(output)))
	if err != nil {
		t.Fatal(err)
	}
	diff := before.Diff(take(t))
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf("+ process %d sleep", pid); !slices.Equal(diff, []string{want}) {
		t.Errorf("got %q, want %q", diff, want)
	}
}

// What is known of KVM on this machine is meant to stay.
func TestKept(t *testing.T) {
	leftovers.Check(t)
	before := take(t)
	run(t, "mkdir", "-p", "/run/tapir/kvm")
	run(t, "touch", "/run/tapir/kvm/file")
	if diff := before.Diff(take(t)); len(diff) > 0 {
		t.Errorf("got %q", diff)
	}
	run(t, "rm", "-r", "/run/tapir")
}

func TestProgram(t *testing.T) {
	leftovers.Check(t)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.SchedCLS,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
		License:      "Apache-2.0",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	before := take(t)
	attached, err := link.AttachTCX(link.TCXOptions{Interface: lo.Attrs().Index, Program: program, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		t.Fatal(err)
	}
	diff := before.Diff(take(t))
	if err := attached.Close(); err != nil {
		t.Error(err)
	}
	if len(diff) != 1 || !strings.HasSuffix(diff[0], "at ingress of lo in host") {
		t.Errorf("TCX: got %q, want one program", diff)
	}

	run(t, "tc", "qdisc", "add", "dev", "lo", "clsact")
	before = take(t)
	filter := &netlink.BpfFilter{
		FilterAttrs:  netlink.FilterAttrs{LinkIndex: lo.Attrs().Index, Parent: netlink.HANDLE_MIN_EGRESS, Handle: 7, Protocol: unix.ETH_P_ALL},
		Fd:           program.FD(),
		Name:         "left",
		DirectAction: true,
	}
	err = netlink.FilterAdd(filter)
	diff = before.Diff(take(t))
	run(t, "tc", "qdisc", "del", "dev", "lo", "clsact")
	if want := "+ filter bpf of handle 0x7 at egress of lo in host"; err != nil || !slices.Equal(diff, []string{want}) {
		t.Errorf("filter: got %q, %v, want %q", diff, err, want)
	}
}
