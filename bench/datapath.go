// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"time"

	"github.com/tapir-vm/tapir/bench/lab"
)

// A Datapath joins a guest's tap to its pod's NIC. Each is one small file; [Datapaths] lists them.
type Datapath interface {
	// Name is what the command line and reports call it.
	Name() string
	// About says in a line what it is.
	About() string
	// Join makes tap0 in the pod's namespace, joins it to eth0 as the datapath's project does, and says who the
	// guest must be: nil where there is no tap. What outlives the namespaces goes to network.OnClose.
	Join(network *lab.Network, c Conditions) (*lab.Guest, error)
}

// Lacking is a [Datapath] or [Load] that not every machine can have.
type Lacking interface {
	// Lacks says what is missing here, and how to mend it; nil: nothing.
	Lacks() error
}

// Conditions are what a load wants of the network that it runs in.
type Conditions struct {
	MTU int // of every link, in bytes
	// Table is how many flows the datapath's table must hold; 0: what it holds by default.
	Table int
	// WarmUp is how long the load must have run before it is measured, at least.
	WarmUp time.Duration
}

// Datapaths are all there are, in the order of reports: the two that others are compared with first.
func Datapaths() []Datapath {
	return []Datapath{
		kubevirtMasquerade{},
		mirred{},
		tapirTC{},
		tapirPeer{},
		tapirXDP{},
		kubevirtBridge{},
		kubevirtMasquerade{old: true},
		direct{},
	}
}
