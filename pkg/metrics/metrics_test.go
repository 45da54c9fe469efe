// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/internal/sandbox"
	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// attachNIC attaches a datapath in a pod of its own.
func attachNIC(t *testing.T, name string) {
	t.Helper()
	node, pod := nstest.NewNamespace(t, "node"), nstest.NewNamespace(t, "pod")
	nstest.Connect(t, node, "cni0", pod, "eth0", 1500)
	pod.Address(t, "eth0", netip.MustParsePrefix("10.9.0.2/24"))
	nic, err := datapath.Attach(datapath.Config{Name: name, NetNS: pod.Path(), NIC: "eth0", Tap: "tap0", TapUID: -1, TapGID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nic.Close()
		if err := datapath.Detach(pod.Path(), "tap0"); err != nil {
			t.Error(err)
		}
	})
}

type stats map[string]dhcp.Stats

func (s stats) Stats() map[string]dhcp.Stats { return s }

// full is a registry with everything in it, NICs included that have seen every kind of trouble.
func full(read func() ([]Sample, error)) *Registry {
	r := New("node1")
	r.Registry = prometheus.NewRegistry()
	r.MustRegister(&Collector{"node1", read}, r.attach, r.dhcp)
	r.Attached(7 * time.Millisecond)
	r.AddDHCP(Identity{"shop", "web", "default", "launcher-1"}, stats{"v4": {"ack": 1, dhcp.Malformed: 2}, "ra": {"solicitation": 3}})
	return r
}

var troubled = Sample{
	Identity: Identity{"shop", "web", "default", "launcher-1"},
	Tap: datapath.LinkCounters{
		Receive: datapath.Traffic{Packets: 1, Bytes: 100}, Transmit: datapath.Traffic{Packets: 2, Bytes: 200},
		ReceiveErrors: 3, TransmitErrors: 4, ReceiveDropped: 5, TransmitDropped: 6,
	},
	Drops: []datapath.Drop{
		{Reason: "malformed", Direction: "receive", Packets: 10},
		{Reason: "spoofed_mac", Direction: "transmit", Packets: 20},
		{Reason: "too_big", Direction: "transmit", Packets: 30},
	},
	Counters: datapath.Counters{Remaps: 7}, Flows: 4096, Table: 16384,
}

func TestLint(t *testing.T) {
	attachNIC(t, "shop/web/default")
	for name, r := range map[string]*Registry{
		"real":     New("node1"),
		"troubled": full(func() ([]Sample, error) { return []Sample{troubled}, nil }),
	} {
		problems, err := testutil.GatherAndLint(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
		}
	}
}

// The eight names, labels and the view are KubeVirt's.
func TestValues(t *testing.T) {
	want := `
# HELP kubevirt_vmi_network_receive_bytes_total Bytes that the guest received.
# TYPE kubevirt_vmi_network_receive_bytes_total counter
kubevirt_vmi_network_receive_bytes_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 100
# HELP kubevirt_vmi_network_receive_packets_total Packets that the guest received.
# TYPE kubevirt_vmi_network_receive_packets_total counter
kubevirt_vmi_network_receive_packets_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 1
# HELP kubevirt_vmi_network_receive_errors_total Errors on the way into the guest.
# TYPE kubevirt_vmi_network_receive_errors_total counter
kubevirt_vmi_network_receive_errors_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 3
# HELP kubevirt_vmi_network_receive_packets_dropped_total Packets dropped on the way into the guest.
# TYPE kubevirt_vmi_network_receive_packets_dropped_total counter
kubevirt_vmi_network_receive_packets_dropped_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 15
# HELP kubevirt_vmi_network_transmit_bytes_total Bytes that the guest sent.
# TYPE kubevirt_vmi_network_transmit_bytes_total counter
kubevirt_vmi_network_transmit_bytes_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 200
# HELP kubevirt_vmi_network_transmit_packets_total Packets that the guest sent.
# TYPE kubevirt_vmi_network_transmit_packets_total counter
kubevirt_vmi_network_transmit_packets_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 2
# HELP kubevirt_vmi_network_transmit_errors_total Errors on the way out of the guest.
# TYPE kubevirt_vmi_network_transmit_errors_total counter
kubevirt_vmi_network_transmit_errors_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 4
# HELP kubevirt_vmi_network_transmit_packets_dropped_total Packets dropped on the way out of the guest.
# TYPE kubevirt_vmi_network_transmit_packets_dropped_total counter
kubevirt_vmi_network_transmit_packets_dropped_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 56
# HELP tapir_network_dropped_packets_total Packets that the datapath dropped.
# TYPE tapir_network_dropped_packets_total counter
tapir_network_dropped_packets_total{direction="receive",interface="default",name="web",namespace="shop",node="node1",pod="launcher-1",reason="malformed"} 10
tapir_network_dropped_packets_total{direction="transmit",interface="default",name="web",namespace="shop",node="node1",pod="launcher-1",reason="spoofed_mac"} 20
tapir_network_dropped_packets_total{direction="transmit",interface="default",name="web",namespace="shop",node="node1",pod="launcher-1",reason="too_big"} 30
# HELP tapir_network_flow_table_pressure_ratio Share of the flow table that is in use.
# TYPE tapir_network_flow_table_pressure_ratio gauge
tapir_network_flow_table_pressure_ratio{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 0.25
# HELP tapir_network_flows Flows in the flow table. An entry is a cache: losing one breaks no connection.
# TYPE tapir_network_flows gauge
tapir_network_flows{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 4096
# HELP tapir_network_port_remaps_total Flows that got another source port because theirs was taken.
# TYPE tapir_network_port_remaps_total counter
tapir_network_port_remaps_total{interface="default",name="web",namespace="shop",node="node1",pod="launcher-1"} 7
`
	c := &Collector{"node1", func() ([]Sample, error) { return []Sample{troubled}, nil }}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// Two NICs of one name must not end a scrape, and one that can't be read must not hide the others.
func TestTrouble(t *testing.T) {
	attachNIC(t, "tap0")
	attachNIC(t, "tap0")
	if problems, err := testutil.GatherAndLint(New("node1")); err != nil || len(problems) > 0 {
		t.Errorf("two NICs of one name: %v %v", problems, err)
	}
	broken := errors.New("a map is gone")
	r := full(func() ([]Sample, error) { return []Sample{troubled}, broken })
	families, err := r.Gather()
	if err == nil || !strings.Contains(err.Error(), broken.Error()) {
		t.Errorf("error %v, want %v", err, broken)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	if !slices.Contains(names, "kubevirt_vmi_network_receive_bytes_total") {
		t.Errorf("only %v", names)
	}
}

func TestIdentity(t *testing.T) {
	for name, want := range map[string]Identity{
		"shop/web/default":            {"shop", "web", "default", ""},
		"shop/web/default/launcher-1": {"shop", "web", "default", "launcher-1"},
		"web":                         {"", "web", "tap0", ""},
		"a/b":                         {"", "a/b", "tap0", ""},
		"\xff":                        {"", "?", "tap0", ""}, // a label that isn't UTF-8 would end the scrape
	} {
		if got := IdentityOf(datapath.Config{Name: name, Tap: "tap0"}); got != want {
			t.Errorf("%q is %v, want %v", name, got, want)
		}
	}
	id := Identity{"shop", "web", "default", "launcher-1"}
	if got := IdentityOf(datapath.Config{Name: id.Name()}); got != id {
		t.Errorf("%v comes back as %v", id, got)
	}
	if got := id.String(); got != "shop/web/default" {
		t.Errorf("people read %q", got)
	}
}

func TestDHCPEndsWithItsServer(t *testing.T) {
	r := New("node1")
	remove := r.AddDHCP(Identity{"shop", "web", "default", "launcher-1"}, stats{"v4": {"ack": 1}})
	if n := testutil.CollectAndCount(r.dhcp); n != 1 {
		t.Errorf("%d series, want 1", n)
	}
	remove()
	if n := testutil.CollectAndCount(r.dhcp); n != 0 {
		t.Errorf("%d series after the server's end", n)
	}
}
