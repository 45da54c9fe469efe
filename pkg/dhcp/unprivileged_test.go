// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// launcher, in the environment, makes the test binary the child of TestServeUnprivileged.
const launcher = "TAPIR_DHCP_TEST_LAUNCHER"

func TestMain(m *testing.M) {
	if os.Getenv(launcher) == "" {
		os.Exit(m.Run())
	}
	if err := launch(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// launch is the child: it serves from inherited descriptors until its standard input ends.
func launch() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	if !strings.Contains(string(status), "CapEff:\t0000000000000000") || os.Geteuid() == 0 {
		return errors.New("the child has privileges")
	}
	files := Files{os.NewFile(3, "v4"), os.NewFile(4, "v6"), os.NewFile(5, "ra")}
	for _, file := range []*os.File{files.V4, files.V6, files.RA} {
		for _, device := range []string{"lo", ""} {
			if err := unix.BindToDevice(int(file.Fd()), device); !errors.Is(err, unix.EPERM) {
				return fmt.Errorf("turning the %s socket to device %q: %v, want EPERM", file.Name(), device, err)
			}
		}
	}
	sockets, err := files.Sockets()
	if err != nil {
		return err
	}
	defer sockets.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("serving")
	v4, v6, ra := testConfig4(), testConfig6(), testConfigRA()
	servers, err := NewServers(sockets, &v4, &v6, &ra, slog.New(slog.NewTextHandler(os.Stdout, nil)))
	if err != nil {
		return err
	}
	return servers.Serve(ctx)
}

// TestServeUnprivileged: a process without capabilities, in another network namespace, serves from sockets that
// were opened for it, and can't turn them to another device.
func TestServeUnprivileged(t *testing.T) {
	n := newNetwork(t)
	guest := discover(t, n.guest)
	files, err := Open(n.pod.Path(), "tap0", true, true)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	child := exec.CommandContext(ctx, "/proc/self/exe") // by the link: nobody can't walk the path
	child.Env = []string{launcher + "=1"}
	child.ExtraFiles = []*os.File{files.V4, files.V6, files.RA}
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	output := bufio.NewReader(stdout)
	first, err := output.ReadString('\n')
	if err != nil || first != "serving\n" {
		t.Errorf("the child said %q: %v", first, err)
	} else {
		guest.advertised(t)
		udhcpc(t, n.guest).check(t, lease{"ip": "10.0.2.2"})
		dhclient(t, n.guest, "-6", "BOUND6", "").check(t, lease{"new_ip6_address": "fd10:0:2::2"})
	}
	stdin.Close()
	rest, _ := io.ReadAll(output)
	if err := child.Wait(); err != nil {
		t.Errorf("the child ended with %v\n%s", err, rest)
	}
}

// TestOpenFails: a failure is one clear error and leaves no descriptor open.
func TestOpenFails(t *testing.T) {
	n := newNetwork(t)
	if _, err := n.occupy(t, 547); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	for _, test := range []struct{ netns, device, want string }{
		{n.pod.Path(), "tap9", "opening DHCP sockets on tap9: route ip+net: no such network interface"},
		{"/run/netns/dhcp-none", "tap0", "opening DHCP sockets on tap0: "},
		{"/dev/null", "tap0", "opening DHCP sockets on tap0: "},
		{"", "dhcp-none", "opening DHCP sockets on dhcp-none: "},
		{n.pod.Path(), "tap0", "setting port 547 on the dhcpv6 socket: address already in use"},
	} {
		_, err := Open(test.netns, test.device, true, true)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("opening %s in %q: %v, want %q", test.device, test.netns, err, test.want)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors are open, before it were %d", after, before)
	}
}

// occupy takes a port in the pod for itself alone.
func (n *network) occupy(t *testing.T, port int) (conn *net.UDPConn, err error) {
	n.pod.Must(t, func() error {
		conn, err = net.ListenUDP("udp6", &net.UDPAddr{Port: port})
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn, err
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// TestOpenTwice: the next server may start before the last has gone.
func TestOpenTwice(t *testing.T) {
	n := newNetwork(t)
	n.open(t)
	servers := n.serve(t)
	udhcpc(t, n.guest).check(t, lease{"ip": "10.0.2.2"})
	servers.check(t, "v4", Stats{"discover": 1, "offer": 1, "request": 1, "ack": 1})
}

// TestOpenWanted: only the wanted families get sockets.
func TestOpenWanted(t *testing.T) {
	n := newNetwork(t)
	for _, test := range []struct{ v4, v6 bool }{{true, false}, {false, true}} {
		files, err := Open(n.pod.Path(), "tap0", test.v4, test.v6)
		if err != nil {
			t.Fatal(err)
		}
		if got4, got6, gotRA := files.V4 != nil, files.V6 != nil, files.RA != nil; got4 != test.v4 || got6 != test.v6 || gotRA != test.v6 {
			t.Errorf("wanted v4 %v and v6 %v, got v4 %v, v6 %v and ra %v", test.v4, test.v6, got4, got6, gotRA)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
}
