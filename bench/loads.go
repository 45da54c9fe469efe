// SPDX-License-Identifier: Apache-2.0

package bench

import "slices"

// An Entry is a load and what it is applied to in a run that doesn't say.
type Entry struct {
	Load
	On []Datapath
}

func (e Entry) has(d Datapath) bool {
	return slices.ContainsFunc(e.On, func(other Datapath) bool { return other.Name() == d.Name() })
}

const (
	normalMTU = 1500
	// roomyTable holds the flows of a load with 500,000, roomiestTable those of one with a million.
	roomyTable    = 1 << 20
	roomiestTable = 1 << 21
	// connectionCount is more than Tapir's table holds by default, and less than a process may
	// usually have files.
	connectionCount = 18_000
)

// Quick are the entries of a quick run: what Tapir's targets are about, on the datapaths that they name.
func Quick() []Entry {
	entries := []Entry{
		{udpRate{in, 1, 0}, pick("kubevirt-masquerade", "mirred", "tapir-tc", "tapir-xdp")},
		{udpSKB{}, pick("kubevirt-masquerade", "mirred", "tapir-tc")},
		{udpRate{out, 1, 0}, pick("kubevirt-masquerade", "mirred", "tapir-tc", "tapir-peer")},
	}
	for _, l := range []Load{
		tcpStream{in, 1, normalMTU}, tcpStream{out, 1, normalMTU}, tcpRR{}, tcpCRR{}, udpRate{in, 500_000, roomyTable},
	} {
		entries = append(entries, Entry{l, pick("kubevirt-masquerade", "mirred", "tapir-tc")})
	}
	return entries
}

// Full are all loads. What tells NAT apart is left to the datapaths that translate, and to mirred as their bound.
func Full() (entries []Entry) {
	add := func(on []Datapath, loads ...Load) {
		for _, l := range loads {
			entries = append(entries, Entry{l, on})
		}
	}
	all := Datapaths()
	add(all,
		udpRate{in, 1, 0}, udpRate{out, 1, 0},
		tcpStream{in, 1, normalMTU}, tcpStream{out, 1, normalMTU},
		tcpRR{}, tcpCRR{}, mixed{})
	add(pick("kubevirt-masquerade", "mirred", "tapir-tc", "tapir-xdp", "tapir-peer"), udpSKB{}, udpWhole{})
	add(all, tcpConnections{connectionCount}, udpCost{}, programCost{})
	some := pick("kubevirt-masquerade", "mirred", "tapir-tc")
	add(some, tcpStream{in, 8, normalMTU}, tcpStream{out, 8, normalMTU})
	add(some, guestStream{in}, guestStream{out}, guestRR{})
	for _, direction := range []string{in, out} {
		add(pick("kubevirt-masquerade", "mirred", "tapir-tc", "tapir-xdp", "tapir-peer"),
			udpRate{direction, 1_000, 0},
			udpRate{direction, 100_000, 0},
			udpRate{direction, 500_000, roomyTable})
		add(some,
			udpRate{direction, 100_000, roomyTable},
			udpRate{direction, 500_000, 0},
			udpRate{direction, 1_000_000, 0},
			udpRate{direction, 1_000_000, roomiestTable})
		for _, mtu := range []int{576, 1280, 1400, 9000} {
			add(some, tcpStream{direction, 1, mtu})
		}
	}
	return entries
}

// pick returns the datapaths of these names, in the order of reports.
func pick(names ...string) []Datapath {
	return slices.DeleteFunc(Datapaths(), func(d Datapath) bool { return !slices.Contains(names, d.Name()) })
}
