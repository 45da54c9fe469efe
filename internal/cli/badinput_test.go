// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// newPod makes a network namespace with eth0 as a CNI leaves it, and returns its path.
func newPod(t *testing.T) *nstest.Namespace {
	t.Helper()
	node, pod := nstest.NewNamespace(t, "node"), nstest.NewNamespace(t, "pod")
	nstest.Connect(t, node, "cni0", pod, "eth0", 1500)
	node.Address(t, "cni0", netip.MustParsePrefix("10.9.0.1/24"))
	for _, a := range []string{"10.9.0.2/24", "fd00:9::2/64"} {
		pod.Address(t, "eth0", netip.MustParsePrefix(a))
	}
	return pod
}

// link adds a device to a namespace.
func link(t *testing.T, n *nstest.Namespace, l netlink.Link) {
	t.Helper()
	n.Must(t, func() error { return netlink.LinkAdd(l) })
}

func TestBadAttach(t *testing.T) {
	pod := newPod(t)
	link(t, pod, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "veth0"}, PeerName: "veth1"})
	link(t, pod, &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "bare"}, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_NO_PI, NonPersist: false})
	notNetNS := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notNetNS, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(args ...string) []string {
		return append([]string{"attach", "--netns", pod.Path(), "--tap", "tap0"}, args...)
	}
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"no netns", []string{"attach", "--netns", "/run/netns/gone", "--tap", "tap0"}, []string{"/run/netns/gone", "ip netns"}},
		{"netns is a file", []string{"attach", "--netns", notNetNS, "--tap", "tap0"}, []string{notNetNS, "ip netns"}},
		{"netns is ours", []string{"attach", "--netns", "/proc/self/ns/net", "--tap", "tap0"}, []string{"own network namespace"}},
		{"no NIC", at("--nic", "net1"), []string{"net1", pod.Path(), "link"}},
		{"NIC without address", at("--nic", "veth0"), []string{"veth0", "address"}},
		{"tap is no tap", []string{"attach", "--netns", pod.Path(), "--tap", "veth0"}, []string{"veth0", "not a tap"}},
		{"tap without vnet_hdr", []string{"attach", "--netns", pod.Path(), "--tap", "bare"}, []string{"bare", "vnet_hdr"}},
		{"name too long", []string{"attach", "--netns", pod.Path(), "--tap", "a-name-that-is-too-long"}, []string{"15"}},
		{"no mask", at("--cidr", "10.0.2.0"), []string{"--cidr", "10.0.2.0"}},
		{"wrong family", at("--cidr", "fd00::/64"), []string{"--cidr", "fd00::/64"}},
		{"wrong family 6", at("--cidr6", "10.0.2.0/24"), []string{"--cidr6", "10.0.2.0/24"}},
		{"no room", at("--cidr", "10.0.2.0/31"), []string{"10.0.2.0/31", "2 host bits"}},
		{"no room 6", at("--cidr6", "fd10::/127"), []string{"fd10::/127", "2 host bits"}},
		{"pod's own network", at("--cidr", "10.9.0.0/24"), []string{"10.9.0.0/24", "choose another"}},
		{"port without protocol", at("--port", "80"), []string{"--port", "80", "tcp/80"}},
		{"port 0", at("--port", "tcp/0"), []string{"tcp/0"}},
		{"port of another protocol", at("--port", "sctp/80"), []string{"sctp/80"}},
		{"port too high", at("--port", "tcp/65536"), []string{"tcp/65536"}},
		{"MAC", at("--guest-mac", "02:00"), []string{"--guest-mac", "02:00"}},
		{"multicast MAC", at("--guest-mac", "01:00:00:00:00:01"), []string{"01:00:00:00:00:01"}},
		{"gateway's MAC", at("--guest-mac", "02:00:00:00:00:00"), []string{"gateway"}},
		{"MTU above the pod's", at("--mtu", "9000"), []string{"9000", "1500"}},
		{"no flows", at("--flows", "1"), []string{"1 flows"}},
		{"bridge", at("--binding", "bridge"), []string{"not supported yet: --binding bridge"}},
		{"other fastpath", at("--fastpath", "dpdk"), []string{"dpdk", "tc or xdp"}},
		{"redirect", at("--redirect", "mirror"), []string{`redirect "mirror"`, "neigh or peer"}},
		{"other binding", at("--binding", "slirp"), []string{"slirp", "masquerade"}},
		{"metrics without dhcp", at("--metrics-addr", ":0"), []string{"--dhcp"}},
		{"metrics address", at("--dhcp", "--metrics-addr", "nowhere"), []string{"nowhere"}},
		{"no tap given", []string{"attach", "--netns", pod.Path()}, []string{"--tap is missing"}},
		{"no netns given", []string{"detach", "--tap", "tap0"}, []string{"--netns is missing"}},
		{"neither given", []string{"attach"}, []string{"--netns and --tap are missing"}},
		{"stray argument", at("demo"), []string{"demo"}},
		{"tap of another", []string{"flows", "--netns", pod.Path(), "--tap", "tap0"}, []string{"tap0", "tapir status"}},
		{"half a target", []string{"drops", "--tap", "tap0"}, []string{"--netns is missing"}},
		{"the other half", []string{"status", "--netns", pod.Path()}, []string{"--tap is missing"}},
		{"many targets", []string{"flows", "demo", "other"}, []string{"one VM", "other"}},
		{"no VM to stop", []string{"stop"}, []string{"which VM", "tapir status"}},
		{"no VM for a console", []string{"console"}, []string{"which VM", "tapir status"}},
		{"two VMs for a console", []string{"console", "demo", "other"}, []string{"one VM", "other"}},
		{"two targets", []string{"drops", "demo", "--netns", pod.Path(), "--tap", "tap0"}, []string{"not both"}},
		{"format", []string{"flows", "-o", "xml"}, []string{"xml", "json"}},
		{"unknown verb", []string{"bogus"}, []string{"bogus", "tapir --help"}},
		{"unknown flag", []string{"--bogus"}, []string{"--bogus"}},
		{"verb of a later version", []string{"migrate", "demo"}, []string{"migrate", "tapir --help"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { fails(t, command(tt.args...), tt.says...) })
	}
}

// A pod NIC serves one guest.
func TestAttachSecondTap(t *testing.T) {
	pod := newPod(t)
	tapir(t, "attach", "--netns", pod.Path(), "--tap", "tap0")
	t.Run("second", func(t *testing.T) {
		fails(t, command("attach", "--netns", pod.Path(), "--tap", "tap1"), "eth0", "tap0", "detach")
	})
	tapir(t, "detach", "--netns", pod.Path(), "--tap", "tap0")
}

// A machine may lack the tun driver: then nothing can be attached, and the error says so.
func TestAttachWithoutTun(t *testing.T) {
	pod := newPod(t)
	cmd := command("attach", "--netns", pod.Path(), "--tap", "tap0")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hidden := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c",
		`mount -t tmpfs none /dev/net && exec "$@"`, "sh", exe}, cmd.Args[1:]...)...)
	hidden.Env = cmd.Env
	fails(t, hidden, "/dev/net/tun")
}

func TestWithoutRoot(t *testing.T) {
	pod := newPod(t)
	for name, args := range map[string][]string{
		"attach":  {"attach", "--netns", pod.Path(), "--tap", "tap0"},
		"dhcp":    {"attach", "--netns", pod.Path(), "--tap", "tap0", "--dhcp"},
		"detach":  {"detach", "--netns", pod.Path(), "--tap", "tap0"},
		"flows":   {"flows"},
		"drops":   {"drops"},
		"status":  {"status"},
		"run":     {"run", "-f", "../../examples/vm.yaml"},
		"run -d":  {"run", "-d", "-f", "../../examples/vm.yaml"},
		"stop":    {"stop", "demo"},
		"console": {"console", "demo"},
	} {
		t.Run(name, func(t *testing.T) { fails(t, unprivileged(command(args...)), "root", "sudo") })
	}
}

func TestUnknownVM(t *testing.T) {
	for _, name := range []string{"demo", "../../etc", "", "UPPER"} {
		for _, verb := range []string{"stop", "console", "flows", "drops", "status"} {
			t.Run(verb+" "+name, func(t *testing.T) { fails(t, command(verb, name), name, "no", "VM") })
		}
	}
}
