// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"testing"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A contender is one of the datapaths that are compared.
type contender struct {
	name string
	// attach joins eth0 and a tap0 that it makes in the pod's namespace.
	attach func(t *testing.T, network *nstest.Topology, ports []declaration)
	// expected is what a row of the table says of it.
	expected func(probe) (outcomes, string)
	// crowded says that the guest has more flows meanwhile than its table holds.
	crowded bool
}

var contenders = []contender{
	{"kubevirt", attachKubeVirt, probe.ofKubeVirt, false},
	{"tapir", attachTapir, probe.ofTapir, false},
	{"tapir with redirect peer", attachTapirPeer, probe.ofTapir, false},
	{"tapir with XDP", attachTapirXDP, probe.ofTapir, false},
	{"tapir with a full flow table", attachSmallTapir, probe.ofTapir, true},
}

// A declaration is a port that the guest declares.
type declaration struct {
	protocol string
	number   uint16
}

// declared are the ports of the networks with ports. The guest serves more, which must not be reachable there.
var declared = []declaration{{"tcp", declaredTCP}, {"udp", declaredUDP}}

// A run is the whole table's outcomes in one network: by cell, then by probe.
type run map[cell]map[string]string

func TestOracle(t *testing.T) {
	runs := map[string][]run{}
	t.Run("probe", func(t *testing.T) {
		for _, d := range contenders {
			for _, ports := range [][]declaration{nil, declared} {
				r := run{}
				runs[d.name] = append(runs[d.name], r)
				t.Run(d.name, func(t *testing.T) {
					t.Parallel() // most probes only wait
					r.probe(t, d, ports)
				})
			}
		}
	})
	for _, p := range table() {
		t.Run(p.name, func(t *testing.T) {
			for _, d := range contenders {
				expected, why := d.expected(p)
				for _, r := range runs[d.name] {
					r.compare(t, p, d.name, expected, why)
				}
			}
		})
	}
}

// probe runs the table in a network with one datapath.
func (r run) probe(t *testing.T, d contender, ports []declaration) {
	network := nstest.NewTopology(t)
	d.attach(t, network, ports)
	network.Plug(t)
	for _, family := range []nstest.Family{nstest.IPv4, nstest.IPv6} {
		outcomes := map[string]string{}
		r[cell{family.Name, ports != nil}] = outcomes
		s := newScene(t, network, family)
		if d.crowded {
			s.crowd()
		}
		for _, p := range table() {
			outcomes[p.name] = p.run(s)
		}
	}
}

func (r run) compare(t *testing.T, p probe, name string, expected outcomes, why string) {
	for c, outcomes := range r {
		if got, want := outcomes[p.name], expected.in(c); got != want {
			t.Errorf("%s, %s: %q, not %q (%s)", name, c, got, want, why)
		}
	}
}
