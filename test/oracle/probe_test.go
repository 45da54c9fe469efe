// SPDX-License-Identifier: Apache-2.0

package oracle

// A probe is a row of the oracle table.
type probe struct {
	name     string
	run      func(*scene) string
	kubevirt outcomes
	tapir    *difference // nil: the same
}

// ofKubeVirt is what KubeVirt's rules do in this row.
func (p probe) ofKubeVirt() (outcomes, string) {
	return p.kubevirt, "what the table says of KubeVirt"
}

// ofTapir is what Tapir does in this row.
func (p probe) ofTapir() (outcomes, string) {
	if p.tapir == nil {
		return p.kubevirt, "as KubeVirt does"
	}
	return p.tapir.outcomes, p.tapir.why
}

// A difference says how and why Tapir differs from KubeVirt in a row.
type difference struct {
	outcomes
	why string // a sentence of the design
}

// outcomes are the results of one probe in every network.
type outcomes struct {
	v4, v4Ports, v6, v6Ports string
}

// always is one outcome in every network.
func always(outcome string) outcomes {
	return outcomes{outcome, outcome, outcome, outcome}
}

// byPorts are outcomes that depend on whether the guest declares ports.
func byPorts(none, some string) outcomes {
	return outcomes{none, some, none, some}
}

func (o outcomes) in(c cell) string {
	switch c {
	case cell{"v4", false}:
		return o.v4
	case cell{"v4", true}:
		return o.v4Ports
	case cell{"v6", false}:
		return o.v6
	default:
		return o.v6Ports
	}
}

// A cell names one column of the table: an address family, without or with declared ports.
type cell struct {
	family string
	ports  bool
}

func (c cell) String() string {
	if c.ports {
		return c.family + ", ports"
	}
	return c.family + ", no ports"
}

// table is every probe, in the order in which they run.
func table() []probe {
	var all []probe
	for _, rows := range [][]probe{
		inbound, outbound, gateway, loopback, hairpin, unreachable,
		trace, pathMTU, fragments, headers, protocols, collisions, remapped, held, bulk,
	} {
		all = append(all, rows...)
	}
	return all
}
