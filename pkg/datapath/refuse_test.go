// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// refused checks that Attach fails with one line that says all of says, and leaves nothing.
func refused(t *testing.T, pod *nstest.Namespace, cfg Config, says ...string) error {
	t.Helper()
	before := look(t, pod)
	nic, err := Attach(cfg)
	if err == nil {
		nic.Close()
		detach(t, cfg)
		t.Fatal("attached")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
	for _, text := range append(says, "attaching "+cfg.Tap+": ") {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q doesn't say %q", err, text)
		}
	}
	before.unchanged(t, pod)
	return err
}

func TestAttachRefuses(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	for _, command := range []string{
		"tuntap add bare0 mode tap", "tuntap add tun0 mode tun vnet_hdr", "tuntap add tap0 mode tap vnet_hdr", "tuntap add queues0 mode tap vnet_hdr multi_queue",
		"link add empty0 type veth peer name empty1", "address add 192.0.2.1/24 dev tun0", "link set tun0 up", "address add 192.0.2.2/32 dev lo",
	} {
		pod.Command(t, "ip", strings.Fields(command)...)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	prefix := netip.MustParsePrefix
	for _, test := range []struct {
		name   string
		change func(*Config)
		is     error
		says   []string
	}{
		{"missing NIC", func(c *Config) { c.NIC = "eth7" }, nil, []string{"eth7", pod.Path()}},
		{"missing namespace", func(c *Config) { c.NetNS = "/run/netns/none" }, nil, []string{"/run/netns/none"}},
		{"file for a namespace", func(c *Config) { c.NetNS = file }, nil, []string{file}},
		{"other namespace", func(c *Config) { c.NetNS = "/proc/self/ns/mnt" }, ErrInvalid, []string{"/proc/self/ns/mnt", "no network namespace"}},
		{"own namespace", func(c *Config) { c.NetNS = "/proc/self/ns/net" }, ErrInvalid, []string{"own network namespace"}},
		{"no namespace", func(c *Config) { c.NetNS = "" }, ErrInvalid, []string{"namespace"}},
		{"NIC without address", func(c *Config) { c.NIC = "empty0" }, ErrInvalid, []string{"empty0", "address"}},
		{"NIC that is no Ethernet", func(c *Config) { c.NIC = "tun0" }, ErrInvalid, []string{"tun0", "Ethernet"}},
		{"loopback for a NIC", func(c *Config) { c.NIC = "lo" }, ErrInvalid, []string{"lo", "Ethernet"}},
		{"NIC and tap the same", func(c *Config) { c.Tap = "eth0" }, ErrInvalid, []string{"eth0"}},
		{"veth for a tap", func(c *Config) { c.Tap = "empty0" }, ErrTapInUse, []string{"empty0", "veth"}},
		{"tun for a tap", func(c *Config) { c.Tap = "tun0" }, ErrTapInUse, []string{"tun0", "not a tap"}},
		{"tap without vnet_hdr", func(c *Config) { c.Tap = "bare0" }, ErrTapInUse, []string{"bare0", "ip tuntap add bare0 mode tap vnet_hdr"}},
		{"long name", func(c *Config) { c.Tap = "tap4567890123456" }, ErrInvalid, []string{"15"}},
		{"path for a name", func(c *Config) { c.Tap = "../tap" }, ErrInvalid, []string{"../tap"}},
		{"pattern for a name", func(c *Config) { c.Tap = "tap%d" }, ErrInvalid, []string{"tap%d"}},
		{"IPv4 network too small", func(c *Config) { c.CIDR4 = prefix("10.0.2.0/31") }, ErrInvalid, []string{"10.0.2.0/31", "2 host bits"}},
		{"IPv6 network too small", func(c *Config) { c.CIDR6 = prefix("fd00::/127") }, ErrInvalid, []string{"fd00::/127", "2 host bits"}},
		{"families exchanged", func(c *Config) { c.CIDR4 = DefaultCIDR6 }, ErrInvalid, []string{"IPv4"}},
		{"families exchanged", func(c *Config) { c.CIDR6 = DefaultCIDR4 }, ErrInvalid, []string{"IPv6"}},
		{"mapped IPv4", func(c *Config) { c.CIDR6 = prefix("::ffff:10.0.2.0/120") }, ErrInvalid, []string{"IPv6"}},
		{"network of loopback", func(c *Config) { c.CIDR4 = prefix("127.0.0.0/24") }, ErrInvalid, []string{"127.0.0.0/24"}},
		{"network of groups", func(c *Config) { c.CIDR4 = prefix("239.0.0.0/24") }, ErrInvalid, []string{"239.0.0.0/24"}},
		{"network of links", func(c *Config) { c.CIDR6 = prefix("fe80::/64") }, ErrInvalid, []string{"fe80::/64"}},
		{"the pod's own network", func(c *Config) { c.CIDR4 = prefix("10.244.0.0/16") }, ErrInvalid, []string{"10.244.1.5"}},
		{"the pod's own network", func(c *Config) { c.CIDR6 = nstest.IPv6.Pod }, ErrInvalid, []string{"2001:db8:244:1::5"}},
		{"every network", func(c *Config) { c.CIDR4 = prefix("0.0.0.0/0") }, ErrInvalid, []string{"0.0.0.0/0"}},
		{"MTU above the NIC's", func(c *Config) { c.MTU = 9000 }, ErrInvalid, []string{"9000", "1500"}},
		{"MTU below any", func(c *Config) { c.MTU = 68 }, ErrInvalid, []string{"68"}},
		{"MTU below IPv6's", func(c *Config) { c.MTU = 1000 }, ErrInvalid, []string{"1000", "1280"}},
		{"too many queues", func(c *Config) { c.Queues = 257 }, ErrInvalid, []string{"257"}},
		{"too few flows", func(c *Config) { c.Flows = 1 }, ErrInvalid, []string{"1 flows"}},
		{"too many flows", func(c *Config) { c.Flows = 1 << 25 }, ErrInvalid, []string{"flows"}},
		{"group's MAC", func(c *Config) { c.MAC = net.HardwareAddr{1, 0, 0, 0, 0, 1} }, ErrInvalid, []string{"unicast"}},
		{"gateway's MAC", func(c *Config) { c.MAC = GatewayMAC }, ErrInvalid, []string{"gateway"}},
		{"zero MAC", func(c *Config) { c.MAC = make(net.HardwareAddr, 6) }, ErrInvalid, []string{"unicast"}},
		{"long MAC", func(c *Config) { c.MAC = make(net.HardwareAddr, 8) }, ErrInvalid, []string{"6 bytes"}},
		{"port 0", func(c *Config) { c.Ports = []Port{{Protocol: "tcp"}} }, ErrInvalid, []string{"tcp/0"}},
		{"port of SCTP", func(c *Config) { c.Ports = []Port{{Protocol: "sctp", Port: 1}} }, ErrInvalid, []string{"sctp/1"}},
		{"bridge", func(c *Config) { c.Binding = Bridge }, ErrUnsupported, []string{"bridge", "masquerade"}},
		{"other binding", func(c *Config) { c.Binding = "slirp" }, ErrInvalid, []string{"slirp"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := config(pod)
			test.change(&cfg)
			if err := refused(t, pod, cfg, test.says...); test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not: %v", err, test.is)
			} else if errors.Is(err, ErrInvalid) && errors.Is(err, ErrUnsupported) {
				t.Errorf("%v is both invalid and unsupported", err)
			}
		})
	}

	cfg := config(pod)
	cfg.NetNS = "/run/netns/none"
	if _, err := Attach(cfg); !errors.As(err, &ns.NSPathNotExistErr{}) {
		t.Errorf("missing namespace: %v", err)
	}
	cfg = config(pod)
	cfg.NIC = "eth7"
	if _, err := Attach(cfg); !errors.As(err, &netlink.LinkNotFoundError{}) {
		t.Errorf("missing NIC: %v", err)
	}
}

// A pod's addresses serve one guest.
func TestAttachRefusesSecondTap(t *testing.T) {
	prepared(t)
	node, pod := newPod(t, both...)
	nstest.Connect(t, node, "cni1", pod, "net1", nstest.MTU)
	pod.Address(t, "net1", netip.MustParsePrefix("10.77.0.5/24"))
	first := config(pod)
	attach(t, first)
	second := config(pod)
	second.Tap = "tap1"
	for _, nic := range []string{"eth0", "net1"} {
		second.NIC = nic
		_, err := Attach(second)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "tap0") || !strings.Contains(err.Error(), "detach") {
			t.Errorf("second tap on %s: %v", nic, err)
		}
		if device(t, pod, "tap1") != nil {
			t.Error("a tap is left")
		}
	}
	if s := status(t, first); !s.Healthy {
		t.Errorf("the first: %+v", s)
	}
	detach(t, second) // isn't attached, and takes nothing of the first
	if s := status(t, first); !s.Healthy {
		t.Errorf("the first: %+v", s)
	}
}

func TestOpenTapRefuses(t *testing.T) {
	_, pod := newPod(t, both...)
	for _, command := range []string{"tuntap add single mode tap vnet_hdr", "tuntap add queues mode tap vnet_hdr multi_queue", "tuntap add bare mode tap"} {
		pod.Command(t, "ip", strings.Fields(command)...)
	}
	inUse, err := OpenTap(pod.Path(), "single", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(inUse)
	for _, test := range []struct {
		name   string
		tap    string
		queues int
		says   string
	}{
		{"every queue open", "single", 1, "open in another process"},
		{"more queues than it was made for", "single", 2, "other queues"},
		{"fewer queues than it was made for", "queues", 1, "other queues"},
		{"no vnet_hdr", "bare", 1, "vnet_hdr"},
		{"no tap", "eth0", 1, "not a tap"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files, err := OpenTap(pod.Path(), test.tap, test.queues)
			if !errors.Is(err, ErrTapInUse) || !strings.Contains(err.Error(), test.says) || files != nil {
				t.Errorf("got %v, %v", files, err)
			}
		})
	}
	if _, err := OpenTap(pod.Path(), "none", 1); !errors.As(err, &netlink.LinkNotFoundError{}) {
		t.Errorf("missing tap: %v", err)
	}
	if device(t, pod, "none") != nil {
		t.Error("opening a missing tap made one")
	}
	files, err := OpenTap(pod.Path(), "queues", 4)
	if err != nil || len(files) != 4 {
		t.Errorf("four queues: %v, %v", files, err)
	}
	closeAll(files)
}

// What the kernel or the file system refuses in the middle of it is undone, too.
func TestAttachUndoes(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	t.Run("verifier", func(t *testing.T) {
		breakPrograms(t, masqueradeProgTapirTapIn)
		err := refused(t, pod, config(pod), "loading the programs", masqueradeProgTapirTapIn)
		var verifier *ebpf.VerifierError
		if !errors.As(err, &verifier) {
			t.Errorf("%v is no verifier's", err)
		}
	})
	t.Run("missing BPF file system", func(t *testing.T) {
		covered(t, bpffs, "tmpfs", 0)
		cfg := config(pod)
		attach(t, cfg) // it is mounted
		detach(t, cfg)
		if err := unix.Unmount(bpffs, 0); err != nil {
			t.Errorf("it wasn't: %v", err)
		}
	})
	t.Run("read-only BPF file system", func(t *testing.T) {
		covered(t, bpffs, "bpf", unix.MS_RDONLY)
		if err := refused(t, pod, config(pod), bpffs); !errors.Is(err, unix.EROFS) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("file where the pins go", func(t *testing.T) {
		before := look(t, pod)
		cfg := config(pod)
		t.Run("refused", func(t *testing.T) {
			covered(t, bpffs, "bpf", 0)
			if err := os.Mkdir(pinRoot, 0o700); err != nil {
				t.Fatal(err)
			}
			program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
			if err != nil {
				t.Fatal(err)
			}
			defer program.Close()
			if err := program.Pin(pinDir(key(cookieOfNetNS(t, pod), "tap0"))); err != nil {
				t.Fatal(err)
			}
			if _, err := Attach(cfg); !errors.Is(err, unix.ENOTDIR) {
				t.Errorf("got %v", err)
			}
		})
		detach(t, cfg) // knows what could not be undone
		before.unchanged(t, pod)
	})
	t.Run("full runtime directory", func(t *testing.T) {
		covered(t, "/run/tapir", "tmpfs", 0, "nr_inodes=3")
		prepared(t) // two directories and the lock
		err := refused(t, pod, config(pod), "no space left")
		if !errors.Is(err, unix.ENOSPC) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("read-only settings", func(t *testing.T) {
		covered(t, "/proc/sys", "/proc/sys", unix.MS_BIND)
		if err := unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, pod, config(pod), "sysctl"); !errors.Is(err, unix.EROFS) {
			t.Errorf("got %v", err)
		}
	})
}

// An update that the kernel refuses leaves what was there, in working order.
func TestUpdateUndoes(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	cfg := config(pod)
	attach(t, cfg)
	before, programs := status(t, cfg), pins(t, cfg)
	t.Run("verifier", func(t *testing.T) {
		breakPrograms(t, masqueradeProgTapirNicIn)
		other := cfg
		other.MTU, other.Ports, other.CIDR4 = 1400, []Port{{Protocol: "tcp", Port: 80}}, netip.MustParsePrefix("10.5.0.0/24")
		if _, err := Attach(other); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v", err)
		}
	})
	after := status(t, cfg)
	if diff := cmp.Diff(before, after, byValue); diff != "" || !after.Healthy || pins(t, cfg) != programs {
		t.Errorf("something has changed (-before +now):\n%s", diff)
	}
	if mtu := device(t, pod, "tap0").Attrs().MTU; mtu != nstest.MTU {
		t.Errorf("the tap's MTU is %d", mtu)
	}
	again(t, cfg)
	if s := status(t, cfg); !s.Healthy {
		t.Errorf("status: %+v", s)
	}
}

// Ports and MAC that were told before stay in force where the programs can't be replaced.
func TestUpdateUndoesPorts(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	cfg := config(pod)
	cfg.Ports, cfg.MAC = []Port{{Protocol: "tcp", Port: 80}}, nodeMAC
	attach(t, cfg)
	intact := embedded
	t.Cleanup(func() { embedded = intact })
	embedded = func() (*ebpf.CollectionSpec, error) { // a program that loads, and that no TCX link takes
		spec, err := intact()
		if err != nil {
			return nil, err
		}
		spec = spec.Copy()
		spec.Programs[masqueradeProgTapirTapIn] = &ebpf.ProgramSpec{
			Name: masqueradeProgTapirTapIn, Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
		}
		return spec, nil
	}
	other := cfg
	other.MTU, other.Ports, other.MAC = 1400, nil, guestMAC
	if _, err := Attach(other); err == nil || !strings.Contains(err.Error(), "attaching "+masqueradeProgTapirTapIn) {
		t.Errorf("got %v", err)
	}
	embedded = intact
	if got := readPorts(t, open(t, cfg)); !slices.Equal(got, cfg.Ports) {
		t.Errorf("ports are %v", got)
	}
	if got := status(t, cfg).GuestMAC; got != nodeMAC.String() {
		t.Errorf("the guest's MAC is %s", got)
	}
	again(t, cfg)
}

// covered mounts a file system over a directory until the test ends.
func covered(t *testing.T, dir, what string, flags uintptr, options ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(what, dir, what, flags, strings.Join(options, ",")); err != nil {
		t.Fatalf("covering %s: %v", dir, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("uncovering %s: %v", dir, err)
		}
	})
}

// breakPrograms makes the verifier refuse a program until the test ends.
func breakPrograms(t *testing.T, name string) {
	intact := embedded
	t.Cleanup(func() { embedded = intact })
	embedded = func() (*ebpf.CollectionSpec, error) {
		spec, err := intact()
		if err != nil {
			return nil, err
		}
		spec = spec.Copy()
		spec.Programs[name].Instructions = asm.Instructions{asm.Return()} // of what?
		return spec, nil
	}
}

func cookieOfNetNS(t *testing.T, n *nstest.Namespace) uint64 {
	t.Helper()
	cookie, err := nstest.Run(n, netnsCookie)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}
