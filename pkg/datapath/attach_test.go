// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// byValue lets cmp look at addresses.
var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

var both = []nstest.Family{nstest.IPv4, nstest.IPv6}

// device finds a link of a namespace, nil if it has none of this name.
func device(t testing.TB, n *nstest.Namespace, name string) (link netlink.Link) {
	t.Helper()
	n.Must(t, func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			if l.Attrs().Name == name {
				link = l
			}
		}
		return err
	})
	return link
}

func addresses(t testing.TB, n *nstest.Namespace, name string) (all []netip.Prefix) {
	t.Helper()
	n.Must(t, func() error {
		l, err := netlink.LinkByName(name)
		if err == nil {
			all, err = addressesOf(l)
		}
		return err
	})
	return all
}

func TestAttachMakesDetachRemoves(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	before := look(t, pod)
	cfg := config(pod)
	cfg.TapUID, cfg.TapGID, cfg.Queues, cfg.MTU = 107, 108, 2, 1450
	attach(t, cfg)
	tap, ok := device(t, pod, "tap0").(*netlink.Tuntap)
	if !ok {
		t.Fatal("there is no tap")
	}
	flags := netlink.TUNTAP_VNET_HDR | netlink.TUNTAP_NO_PI | netlink.TUNTAP_MULTI_QUEUE
	if tap.NonPersist || tap.Flags&flags != flags || tap.Owner != 107 || tap.Group != 108 {
		t.Errorf("tap is persistent %t, of %d:%d, with flags %#x", !tap.NonPersist, tap.Owner, tap.Group, tap.Flags)
	}
	if tap.MTU != 1450 || tap.HardwareAddr.String() != GatewayMAC.String() || tap.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("tap is %+v", tap.Attrs())
	}
	want := open(t, cfg).Addresses().gateway()
	if got := addresses(t, pod, "tap0"); !sameElements(got, want) {
		t.Errorf("tap has %v, want %v", got, want)
	}
	s := status(t, cfg)
	if !s.Healthy || s.Hook != "tcx" || s.GuestMAC != "" || s.Config.Flows != DefaultFlows || s.Config.Name != "tap0" || s.AttachMillis <= 0 {
		t.Errorf("status: %+v", s)
	}

	detach(t, cfg)
	before.unchanged(t, pod)
	detach(t, cfg)
	before.unchanged(t, pod)
}

func sameElements[T comparable](a, b []T) bool {
	count := map[T]int{}
	for _, v := range a {
		count[v]++
	}
	for _, v := range b {
		count[v]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// A tap that was there before stays, and is what it was.
func TestAttachKeepsExistingTap(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	for name, prepare := range map[string][]string{
		"down": {"tuntap add tap0 mode tap vnet_hdr"},
		"up":   {"tuntap add tap0 mode tap vnet_hdr", "link set tap0 address 02:00:00:00:00:77 mtu 1300 up"},
		"with addresses": {
			"tuntap add tap0 mode tap vnet_hdr multi_queue user 107", "link set tap0 up",
			"address add 192.168.7.1/24 dev tap0", "address add 10.0.2.1/24 dev tap0", "address add fd77::1/64 dev tap0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range prepare {
				pod.Command(t, "ip", strings.Fields(command)...)
			}
			before := look(t, pod)
			cfg := config(pod)
			attach(t, cfg)
			again(t, cfg)
			cfg.CIDR4 = netip.MustParsePrefix("10.7.0.0/24")
			again(t, cfg)
			detach(t, cfg)
			before.unchanged(t, pod)
			pod.Command(t, "ip", "link", "delete", "tap0")
		})
	}
}

// Attaching again changes what its options say, and only that.
func TestAttachAgain(t *testing.T) {
	prepared(t)
	node, pod := newPod(t, both...)
	nstest.Connect(t, node, "cni1", pod, "net1", nstest.MTU)
	pod.Address(t, "net1", netip.MustParsePrefix("10.77.0.5/24"))
	before := look(t, pod)
	cfg := config(pod)
	attach(t, cfg)
	first := status(t, cfg)
	programs := pins(t, cfg)

	change := func(what string, programsStay bool, change func(*Config)) {
		t.Helper()
		change(&cfg)
		again(t, cfg)
		s := status(t, cfg)
		if !s.Healthy || !s.Attached.Equal(first.Attached) {
			t.Errorf("after another %s: %+v", what, s)
		}
		want := cfg
		if err := want.complete(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.Config, byValue); diff != "" {
			t.Errorf("after another %s (-want +got):\n%s", what, diff)
		}
		now := pins(t, cfg)
		if stay := now == programs; stay != programsStay {
			t.Errorf("another %s: the programs stay: %t", what, stay)
		}
		programs = now
		if got, want := addresses(t, pod, "tap0"), s.Addresses.gateway(); !sameElements(got, want) {
			t.Errorf("after another %s the tap has %v, want %v", what, got, want)
		}
		if mtu := device(t, pod, "tap0").Attrs().MTU; mtu != s.Addresses.MTU {
			t.Errorf("after another %s the tap has MTU %d, want %d", what, mtu, s.Addresses.MTU)
		}
	}
	change("nothing", true, func(*Config) {})
	change("name", true, func(c *Config) { c.Name = "other" })
	change("port", true, func(c *Config) { c.Ports = []Port{{Protocol: "tcp", Port: 80}} })
	change("MAC", true, func(c *Config) { c.MAC = guestMAC })
	change("MTU", false, func(c *Config) { c.MTU = 1400 })
	change("IPv4 network", false, func(c *Config) { c.CIDR4 = netip.MustParsePrefix("10.8.0.0/29") })
	change("IPv6 network", false, func(c *Config) { c.CIDR6 = netip.MustParsePrefix("fd88::/64") })
	change("size of the flow table", false, func(c *Config) { c.Flows = 128 })
	change("pod NIC", false, func(c *Config) { c.NIC = "net1" })
	change("pod NIC", false, func(c *Config) { c.NIC = "eth0" })

	detach(t, cfg)
	before.unchanged(t, pod)
}

// pins identifies the programs that hang, by the link that would change with them.
func pins(t testing.TB, cfg Config) (ids string) {
	t.Helper()
	nic := open(t, cfg)
	for _, h := range hooks(&nic.record.Constants) {
		ids += h.name + ":" + programID(t, &h, pinDir(nic.key)) + " "
	}
	return ids
}

// A record that was half written, by hand, is no reason to crash.
func TestDamagedRecord(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	cfg := config(pod)
	attach(t, cfg)
	nic := open(t, cfg)
	for _, damage := range []string{"", "{", "[]", `{"config":{}}`, strings.Repeat("[", 1<<16)} {
		if err := os.WriteFile(recordPath(nic.key), []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		_, attachErr := Attach(cfg)
		_, openErr := Open(cfg.NetNS, cfg.Tap)
		for _, err := range []error{attachErr, openErr, Detach(cfg.NetNS, cfg.Tap)} {
			if err == nil || !strings.Contains(err.Error(), recordPath(nic.key)+" is damaged: delete it") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error for %.20q: %v", damage, err)
			}
		}
	}
	// The advice works, though it is forgotten that Attach made the tap.
	if err := os.Remove(recordPath(nic.key)); err != nil {
		t.Fatal(err)
	}
	again(t, cfg)
	if s := status(t, cfg); !s.Healthy {
		t.Errorf("status after the record was deleted: %+v", s)
	}
}
